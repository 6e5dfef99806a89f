"""Frames at random, in the short form of `call_frames`: any event, from any party, in any order."""

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from ipecs_mw.calls.steps.steps import ACD_VERBS, CALL_VERBS

STATIONS, TRUNKS, REFS = ("1001", "1002", "1003", "1099"), ("CO001", "CO002"), (7, 8, 9)
GROUPS = ("", "0", "1", "2", "620")
NUMBERS = ("", "0612345678", "1001", "1002", "1003", "620")

parties = st.sampled_from(("", *STATIONS, *TRUNKS, "620"))
seconds = st.integers(0, 4000)
acd_frames = st.tuples(
    seconds,
    st.sampled_from(sorted(ACD_VERBS)),
    st.sampled_from(("", *REFS)),
    parties,
    parties,
    st.sampled_from((*GROUPS, "3", "0612345678")),
    st.sampled_from(("", "0", "1", "10", "11", "0612345678")),
)
call_frames = st.builds(
    lambda second, kind, station, ref, causes, numbers: (
        second,
        "call",
        {"type": kind, "deviceNumber": station, "callRefID": ref, "causeCode": causes}
        | dict(zip(_NAMES, numbers, strict=True)),
    ),
    seconds,
    st.sampled_from(sorted(CALL_VERBS)),
    st.sampled_from(STATIONS),
    st.sampled_from(("", *REFS)),
    st.sampled_from(("", "3", "10", "11", "22", "27", "48", "52", "62", "65", "103")),
    st.lists(st.sampled_from(NUMBERS), min_size=13, max_size=13),
)
_NAMES = (
    "callingDN", "calledDN", "releasedDN", "holdDN", "retrieveDN", "transferToDN", "transferorDN", "transferedDN",
    "newConfMemberDN", "masterDN", "reroutingDN", "releasedAscDN", "primaryAcdGroup",
)  # fmt: skip
record_frames = st.builds(
    lambda second, ref, station, trunk, letter, minute: (
        second,
        "smdr",
        {
            "callRefID": ref,
            "StationNumber": station,
            "CoNumber": trunk,
            "Duration": "00:00:40",
            "StartTime": f"2026-03-02 08:{minute:02}",
            "Direction": letter,
        },
    ),
    seconds,
    st.sampled_from(("", *REFS)),
    st.sampled_from(("", "CO001", "620", *STATIONS)),
    st.sampled_from(("", "001", "002")),
    st.sampled_from("tIOTHRGESPoXVNnZ"),
    st.integers(0, 59),
)
system_frames = st.one_of(
    st.tuples(seconds, st.just("gap"), st.just({"since": "2026-03-02T08:00:00+00:00"})),
    st.builds(
        lambda second, station, state: (second, "call_state_read", {"station": station, "state": state}),
        seconds,
        st.sampled_from(STATIONS),
        st.sampled_from(("idle", "trk_talk", "hold", "block")),
    ),
)
any_frames = st.one_of(acd_frames, acd_frames, call_frames, call_frames, record_frames, system_frames)
odd_days = st.lists(any_frames, min_size=1, max_size=40).flatmap(
    lambda frames: st.sampled_from((frames, sorted(frames, key=lambda frame: frame[0])))
)
some = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
