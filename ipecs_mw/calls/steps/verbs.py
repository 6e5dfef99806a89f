"""Groups of the verbs of steps: what each does to calls as a whole."""

BEGINS = frozenset({"arrive", "seize", "ring", "inbound", "record", "queue"})
"""What may be the first step of a call that was heard from its beginning."""

OPENS = BEGINS | frozenset(
    {"alert", "offer", "answer", "hold", "recall", "park", "divert", "voicemail", "transfer", "conference"}
)
"""What opens a call where none is known."""

GROUPED = frozenset({"arrive", "offer", "queue", "ring", "overflow", "voicemail"})
"""What names a group."""

WRAP_UPS = frozenset({"wrap_up", "wrapped_up", "ready", "not_ready", "logout"})
"""What tells of a wrap-up, or ends one."""

OF_AGENTS = frozenset(
    {"login", "second_login", "logout", "ready", "not_ready", "wrap_up", "hot_desk_in", "hot_desk_out"}
)
"""What tells of logins."""

NO_CALL = frozenset(
    {
        "dnd_on",
        "dnd_off",
        "in_service",
        "login",
        "second_login",
        "hot_desk_in",
        "hot_desk_out",
        "session_up",
        "session_down",
    }
)
"""What is of no call."""

CALLS = frozenset({"seize", "divert", "transfer"})
"""What names the number that is called next, as the other side."""

REFERENCED = frozenset(
    {"arrive", "seize", "alert", "offer", "ring", "answer", "hold", "recall", "park", "divert", "hang_up"}
)
"""What names its call by a reference, unless the host sends none."""

NO_EVIDENCE = frozenset({"gap", "record", "note", "close"})
"""What is no sign that a call lives."""

INFERRED = frozenset({"close", "state_read"})
"""What is judged, not told: left out when a call is read anew."""

NO_LIFE = NO_EVIDENCE | WRAP_UPS
"""What does not show that a call which was thought over lives."""

FREES_TRUNK = frozenset({"trunk_idle", "note", "abandon", "hang_up"})
"""What names a trunk and does not show that it has the call."""
