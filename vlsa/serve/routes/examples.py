"""Examples and bodies of the OpenAPI schema, for routes that read their bodies themselves."""

from typing import Any

MOMENT_ID = "index:d47c90c47e2a9b11:0-3000"
_QUESTION = {
    "index": "index",
    "question": {"parts": [{"text": "a dog barks"}, {"text": "music", "weight": -1}], "k": 5, "where": "duration > 2"},
}
_QUESTION_SCHEMA = {
    "type": "object",
    "required": ["question"],
    "additionalProperties": False,
    "properties": {
        "index": {"type": "string", "description": "Its name; may be left out where there is one."},
        "question": {
            "type": "object",
            "description": "The question of `vlsa search --question`, with ids in place of paths.",
            "properties": {
                "parts": {"type": "array", "items": {"type": "object"}},
                "phrases": {"type": "array", "items": {"type": "string"}},
                "in": {"enum": ["media", "video", "audio", "text"]},
                "k": {"type": "integer", "minimum": 1},
                "where": {"type": "string"},
                "group_by": {"enum": ["moment", "file"]},
                "max_per_file": {"type": "integer", "minimum": 1},
                "fold_above": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
            },
        },
    },
}
_FILE = {"type": "string", "format": "binary"}
SEARCH_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": _QUESTION_SCHEMA, "example": _QUESTION},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["question"],
                    "properties": {"question": {"type": "string", "description": "The same JSON."}},
                    "additionalProperties": _FILE,
                }
            },
        },
    }
}
UPLOAD_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {"type": "object", "required": ["file"], "properties": {"file": _FILE}},
            }
        },
    }
}
MOMENT: dict[str, Any] = {
    "id": MOMENT_ID,
    "media_id": "index:d47c90c47e2a9b11",
    "rank": 1,
    "path": "walks/00197.mp4",
    "name": "00197.mp4",
    "folder": "walks",
    "start_seconds": 0.0,
    "stop_seconds": 3.0,
    "best_start_seconds": 0.0,
    "best_stop_seconds": 3.0,
    "score": 2.06,
    "stand_out": 2.06,
    "why": [{"modality": "audio", "rank": 1, "score": 0.47}],
    "texts": ["a dog barks"],
    "num_folded": 0,
    "duration_seconds": 3.0,
    "has_video": True,
    "has_audio": True,
    "thumbnail": "index:d47c90c47e2a9b11:1500",
    "mime": "video/mp4",
}


def example(value: Any) -> dict[int | str, dict[str, Any]]:
    """What a route answers, by example."""
    return {200: {"content": {"application/json": {"example": value}}}}


ANSWER = example(
    {
        "moments": [MOMENT],
        "stands_out": True,
        "num_windows": 200,
        "notes": [],
        "facets": {"num_files": 200, "folders": [{"name": "walks", "count": 200}], "has_audio": 200},
        "took_ms": 41.5,
        "question": _QUESTION["question"],
    }
)
UPLOADED = example(
    {
        "id": "upload:0123456789abcdef0123456789abcdef",
        "kind": "audio",
        "has_video": False,
        "has_audio": True,
        "duration_seconds": 2.5,
        "name": "bark.wav",
    }
)
