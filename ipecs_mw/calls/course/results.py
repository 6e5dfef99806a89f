"""How a segment ended: a phone that rang was answered, or why not."""

from ipecs_mw.calls.steps.steps import ELSEWHERE_CAUSES, Step

_PICKUP, _NO_ANSWER, _REJECT = 11, 10, 103
_TALKS = frozenset({"talk", "consult", "conference"})
_BY_VERB = {"divert": "forwarded", "overflow": "overflowed", "voicemail": "forwarded"}
_ENDS_QUEUE = {"answer": "answered", "overflow": "overflowed", "voicemail": "voicemail"}


def judge_result(kind: str, station: str, step: Step, becomes: str, *, is_over: bool, picker: str) -> str:
    """Return the result of a segment that a step ends; blank where it has none.

    `becomes` is what the station does now, `is_over` whether the call ended with the step, `picker` the station
    that took the call from the phone that rang.
    """
    if kind == "queue":
        return "abandoned" if is_over else _ENDS_QUEUE.get(step.verb, "left")
    if kind != "ring":
        return ""
    if becomes in _TALKS:
        return "answered"
    if step.cause == _PICKUP or (picker and not is_over):
        return "picked_up"
    if step.cause in ELSEWHERE_CAUSES or (step.verb == "answer" and not is_over):
        return "answered_elsewhere"
    return _judge_loss(station, step, is_over=is_over)


def _judge_loss(station: str, step: Step, *, is_over: bool) -> str:
    """Return why a phone stopped ringing that nobody answered."""
    if step.cause == _REJECT or (step.verb == "abandon" and step.who == station):
        return "refused"
    if step.verb in _BY_VERB and not is_over:
        return _BY_VERB[step.verb]
    return "abandoned" if is_over and step.cause != _NO_ANSWER else "no_answer"
