"""A stretch of a file as a moment that answers no question: kept, on the map, or opened by its address."""

from vlsa.retrieve.search.moments import Moment
from vlsa.retrieve.search.searched import Searched


def plain_moment(searched: Searched, path: str, start_seconds: float, stop_seconds: float, rank: int = 0) -> Moment:
    """With what is said or written there, each text once, by time."""
    texts = _texts(searched, path, start_seconds, stop_seconds)
    return Moment(
        rank=rank,
        path=path,
        start_seconds=start_seconds,
        stop_seconds=stop_seconds,
        best_start_seconds=start_seconds,
        best_stop_seconds=stop_seconds,
        score=0.0,
        stand_out=0.0,
        texts=texts,
        text_from=searched.text_from.get(path) if texts else None,
    )


def _texts(searched: Searched, path: str, start_seconds: float, stop_seconds: float) -> tuple[str, ...]:
    if path not in searched.numbers:
        return ()
    places = searched.text_places
    rows = places.of_file(searched.numbers[path])
    shown = rows[(places.start_seconds[rows] < stop_seconds) & (places.stop_seconds[rows] > start_seconds)]
    return tuple(dict.fromkeys(searched.texts[row] for row in shown))
