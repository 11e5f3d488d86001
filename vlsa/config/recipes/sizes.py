"""Full settings by size, as functions; each docstring has its command, its cost and its expected result."""

from dataclasses import replace

from vlsa.config import (
    AudioConfig,
    ComputeConfig,
    Config,
    DecoderConfig,
    EncoderConfig,
    ModelConfig,
    ObjectiveConfig,
    TextConfig,
    TrainConfig,
    VideoConfig,
)

PAIR_HEADS = ObjectiveConfig(
    pairs=("audio-video", "audio-text", "video-text"),
    audio_text_weight=1.5,
    video_text_weight=2.0,
    matching_weight=0.0,
    heads="pair",
    pooling="attention",
    learn_temperature=True,
)
"""LPMM, and contrast of all three pairs, each in a space of its own (docs/objectives.md): of all sizes but `paper`."""


def paper() -> Config:
    """The paper: ViT-Base, 8 frames of 224 px, 5.94 s of audio, batch 2048, 200,000 steps.

    Command: `vlsa pretrain --recipe paper --data STORE --out RUN`. Cost: the authors report 1,350 V100-hours.
    Expected: their tables (docs/paper.md lists what is the same and what is changed).
    """
    return Config()


def base() -> Config:
    """The paper's ViT-Base and inputs with cheaper steps: for your own footage on one large GPU.

    Command: `vlsa pretrain --recipe base --data STORE --out RUN`. Cost: half of `paper`'s FLOPs per clip
    (`vlsa reproduce table7`), on 51 M clip views instead of 409.6 M. Expected: not known; it has not been trained yet,
    and the paper gives no result for so few views.

    Four of twelve layers run the joint pass, and a quarter of the masked patches is decoded, by 8 heads of 64 (MAE has
    16 of 32, which take a tenth longer a step on an H200: docs/log.md, 27); batch 512. The objective matches each pair
    of modalities in a space of its own (256 numbers each); `base/paper-objective` has the paper's.
    """
    model = ModelConfig(
        encoder=EncoderConfig(fusion_layers=4),
        decoder=DecoderConfig(num_heads=8, decoded_share=0.25),
        objective=replace(PAIR_HEADS, head_width=256),
    )
    train = TrainConfig(batch_size=512, num_steps=100_000, learning_rate=2e-4, warmup_steps=5000, num_workers=12)
    return Config(model=model, train=train)


def large() -> Config:
    """ViT-Large on the paper's inputs, otherwise like `base`: for a machine with several large GPUs.

    Command: `torchrun --nproc-per-node 8 -m vlsa.cli pretrain --recipe large --data STORE --out RUN`. Cost: 1.43 TFLOPs
    per clip and step, 1.4 times `paper`'s; its 102 M clip views take 144 GPU-hours at 283 TFLOP/s, which a step of
    `paper` reaches on an H200. Expected: not known; it has not been trained yet.

    378 M parameters in 24 layers of 1,024, of which 8 run the joint pass; batch 1,024.
    """
    model = ModelConfig(
        encoder=EncoderConfig(num_layers=24, width=1024, num_heads=16, fusion_layers=8),
        decoder=DecoderConfig(num_heads=8, decoded_share=0.25),
        objective=replace(PAIR_HEADS, head_width=256),
    )
    train = TrainConfig(batch_size=1024, num_steps=100_000, learning_rate=1e-4, warmup_steps=10_000, num_workers=12)
    return Config(model=model, train=train)


def huge() -> Config:
    """ViT-Huge on the paper's inputs: each GPU holds a shard of the model (FSDP2), blocks are recomputed.

    Command: `torchrun --nproc-per-node 8 -m vlsa.cli pretrain --recipe huge --data STORE --out RUN`. Cost: 2.61 TFLOPs
    per clip and step, 2.6 times `paper`'s; its 102 M clip views take 262 GPU-hours at 283 TFLOP/s, and a third more for
    the recomputation. Expected: not known; it has not been trained yet.

    714 M parameters in 32 layers of 1,280 (patches of 16 px, not the usual 14), of which 8 run the joint pass. Weights,
    gradients and moments are 11.4 GB, sharded over the GPUs.
    """
    model = ModelConfig(
        encoder=EncoderConfig(num_layers=32, width=1280, num_heads=16, fusion_layers=8),
        decoder=DecoderConfig(num_heads=8, decoded_share=0.25),
        objective=replace(PAIR_HEADS, head_width=256),
    )
    train = TrainConfig(batch_size=1024, num_steps=100_000, learning_rate=1e-4, warmup_steps=10_000, num_workers=12)
    return Config(model=model, train=train, compute=ComputeConfig(sharding="shard", recompute=True))


def small() -> Config:
    """A model of 18 M parameters (13 M with the small vocabulary of the made world), 8 frames of 112 px, 3 s of audio.

    Command: `vlsa pretrain --recipe small --data world:train=50000,test=1000,px=112 --out RUN`. Cost: minutes on one
    GPU, at 15 GFLOPs per clip and step (`vlsa reproduce table7`). Expected: docs/results.md, on a GPU.

    The masked shares are the paper's; a quarter of the masked patches is decoded, and the last two layers run the joint
    pass. Each pair of modalities is matched in a space of its own; `small/paper-objective` has the paper's objective.
    """
    model = ModelConfig(
        video=VideoConfig(size_px=112),
        audio=AudioConfig(num_times=128, num_frequencies=128),
        text=TextConfig(num_tokens=32, vocabulary_size=8000),
        encoder=EncoderConfig(num_layers=6, width=384, num_heads=6, fusion_layers=2),
        decoder=DecoderConfig(num_layers=2, width=192, num_heads=6, decoded_share=0.25),
        objective=PAIR_HEADS,
    )
    train = TrainConfig(
        batch_size=512,
        num_steps=4000,
        learning_rate=5e-4,
        warmup_steps=200,
        checkpoint_every_steps=500,
        num_workers=14,
    )
    return Config(model=model, train=train)


def tiny() -> Config:
    """A model that two CPU cores train in minutes, each pair of modalities matched in a space of its own.

    Command: `vlsa pretrain --recipe tiny --data STORE --out RUN`. Cost: about 0.5 s per step on two cores (1.6 M
    parameters). Expected: `make demo` ends with R@10 above 80% in each direction on 200 held-out clips of the made
    world (docs/results.md).

    `tiny/paper-objective` has the paper's objective. In addition to its size and objective it differs from the paper in
    four settings: patches of 32 px, so that a clip is few tokens
    (measured, docs/log.md 6 and 7); a quarter of the patches is masked, not three quarters, since a patch contains more
    (docs/log.md 23); only the last layer runs the joint pass; a quarter of the masked patches is decoded (both to save
    time only).
    """
    model = ModelConfig(
        video=VideoConfig(num_frames=8, size_px=64, patch_px=32, mask_share=0.25),
        audio=AudioConfig(window_samples=510, num_times=128, num_frequencies=64, mask_share=0.25),
        text=TextConfig(num_tokens=28, vocabulary_size=2000),
        encoder=EncoderConfig(num_layers=4, width=128, num_heads=4, fusion_layers=1),
        decoder=DecoderConfig(num_layers=1, width=64, num_heads=4, decoded_share=0.25),
        objective=PAIR_HEADS,
    )
    train = TrainConfig(
        batch_size=96,
        num_steps=750,
        learning_rate=2e-3,
        warmup_steps=50,
        checkpoint_every_steps=100,
        cache_gib=2.0,
    )
    return Config(model=model, train=train)
