"""The same training step written with `transformers`: is ours faster?

Why it matters: whoever builds VLSA from the library's parts has this model in a day; ours has to be worth its code. The
peer (peer_model.py) is what a competent person would write: `ViTMAELayer` (scaled_dot_product_attention, no dropout) in
encoder and decoder, the isolated passes one after another and then the joint pass, bfloat16 autocast, torch.compile,
AdamW with fused=True. Token counts, heads, losses and parameters are VLSA's, so that both do the same floating-point
operations; a test counts them. What the library leaves open was decided so:

- Masked patches are left out before they are embedded, and heads read masked patches alone, as in ours (ViTMAE itself
  embeds and reconstructs all): the peer is not charged for work that ours leaves out.
- Masks are drawn on the device, as ViTMAE does, in each frame by itself.
- Padding: video and audio have none in the library (VideoMAE, AST); text has. So the pass over the text, the joint
  pass and the decoder get a mask of the real keys. Without any mask (`peer-unmasked`) attention runs in the library's
  fastest kernel and padded tokens count as text: not the same model, an upper bound.
- torch.compile takes each layer, as ours does (`peer`), or the whole model at once (`peer-whole`, minutes to compile).
  The faster of the two is the one to beat.
- The spectrogram comes from our front end and is computed before the compiled part, which cannot fuse complex numbers.
- All tokens of the made batch are real, so that leaving padding out saves ours nothing.

Each case is measured in a process of its own, ours (`exact`) in the same run. The peer's weights and masks are its own,
so that its loss at step 1 resembles ours and is not equal to it. All layers join the modalities and all masked patches
are decoded, whatever the recipe says: the peer knows no other way. Run by first.py.
"""

import time
from collections.abc import Callable
from functools import partial

import torch
from made import random_batch
from peer_model import Peer
from running import Case, Job
from stepping import first_step_results, fitting, results_of
from table import Results
from timing import time_steps
from torch import nn

from vlsa.config import Config
from vlsa.config.recipes.variants import exact
from vlsa.data.batch import Batch
from vlsa.model.spectrogram import LogSpectrogram

AIM = 1.5
MASKED = ("peer", "peer-whole", "peer-eager")


class PeerTrainer:
    """A run of the peer: model, optimizer, and one step of them."""

    def __init__(self, config: Config, device: torch.device, *, mask_padding: bool, compiled: str) -> None:
        torch.manual_seed(0)
        self.model = Peer(config.model, mask_padding).to(device)
        self.spectrogram = LogSpectrogram(config.model.audio).to(device)
        self.largest_norm = config.train.gradient_clip
        weights = list(self.model.parameters())
        groups = [
            {"params": [weight for weight in weights if weight.ndim >= 2], "weight_decay": config.train.weight_decay},
            {"params": [weight for weight in weights if weight.ndim < 2], "weight_decay": 0.0},
        ]
        rate = config.train.learning_rate
        self.optimizer = torch.optim.AdamW(groups, lr=rate, betas=config.train.betas, fused=True)
        self.loss: Callable[..., torch.Tensor] = self.model
        if compiled == "layers":
            for stack in (self.model.encoder.stack, self.model.decoder.stack):
                for layer in stack.layers:
                    layer.compile(dynamic=False)
        elif compiled == "whole":
            self.loss = torch.compile(self.model, dynamic=False)

    def step(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """One update; returns the loss before it and the gradient norm. The device is not waited for."""
        self.optimizer.zero_grad(set_to_none=True)
        with torch.no_grad():
            spectrogram = self.spectrogram(batch.waveform)
        with torch.autocast(batch.video.device.type, torch.bfloat16):
            loss = self.loss(batch.video, spectrogram, batch.token_ids, batch.text_padding)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), self.largest_norm)
        self.optimizer.step()
        return loss.detach(), norm


def peer(job: Job, mask_padding: bool = True, compiled: str = "layers") -> Results:
    """Time the peer's steps on clips that lie on the device."""
    config = exact(job.config)
    trainer = PeerTrainer(config, job.device, mask_padding=mask_padding, compiled=compiled)
    batch, started = random_batch(config.model, job.num_clips, job.device), time.perf_counter()
    results = first_step_results(config.model, job.num_clips, *trainer.step(batch), started, kind="peer")
    timing = time_steps(lambda: trainer.step(batch), job.device, job.num_steps, 2, job.seconds(20))
    return results | results_of(config, job.num_clips, timing)


def closing(measured: dict[str, Results]) -> list[str]:
    """Ours over the fastest peer that computes the same model, and over the bound."""
    speeds = {name: part["clips_per_second"] for name, part in measured.items() if "clips_per_second" in part}
    same = {name: speed for name, speed in speeds.items() if name in MASKED}
    if "exact" not in speeds or not same:
        return []
    best = max(same, key=lambda name: same[name])
    ratio = speeds["exact"] / same[best]
    met = "met" if ratio >= AIM else "NOT met"
    lines = [f"aim: at least {AIM} times the peer: ours is {ratio:.2f} times as fast as {best}, {met}"]
    if "peer-unmasked" in speeds:
        bound = speeds["exact"] / speeds["peer-unmasked"]
        lines.append(f"and {bound:.2f} times as fast as the bound without masks")
    return lines


FITS = fitting("bfloat16", exact)
PEERS = (
    Case("peer", "the step in transformers' layers, compiled", peer, FITS),
    Case("peer-unmasked", "the same, padding attended to", partial(peer, mask_padding=False), FITS),
    Case("peer-eager", "not compiled", partial(peer, compiled=""), FITS),
    Case("peer-whole", "the whole model compiled", partial(peer, compiled="whole"), FITS),
)
