"""Something asked in a thread of its own while other stores answer; a person does not wait for it for ever."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Generic, TypeVar

from billing_assets.domain.errors import StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Background(Generic[T]):
    """A question under way.

    The thread is a daemon: a store that never answers does not keep the command from ending.

    Args:
        where: What is asked, for the letter.
        question: Asked at once.
    """

    def __init__(self, where: str, question: Callable[[], T]) -> None:
        self._where = where
        self._answers: list[T] = []
        self._errors: list[BaseException] = []
        self._thread = threading.Thread(target=self._ask, args=(question,), daemon=True)
        self._thread.start()

    def result(self, seconds: float | None = None) -> T:
        """The answer, or the error that came instead.

        Raises:
            StoreUnavailableError: There is none after so many seconds.
        """
        self._thread.join(seconds)
        if self._errors:
            raise self._errors[0]
        if not self._answers:
            raise StoreUnavailableError(
                f"no answer within {seconds or 0:.0f} seconds", where=self._where, remedy="run it again later"
            )
        return self._answers[0]

    def _ask(self, question: Callable[[], T]) -> None:
        try:
            self._answers.append(question())
        except BaseException as error:  # noqa: BLE001  # raised again where the answer is awaited
            self._errors.append(error)
