"""What each request of the command table does to the PBX, by command id."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ipecs_mw.simulator.pbx import call_services, calls, features
from ipecs_mw.simulator.pbx.conferences import Conferences
from ipecs_mw.simulator.pbx.parts import status_of
from ipecs_mw.simulator.pbx.pbx import PARK_END, PARK_START, Pbx
from ipecs_mw.simulator.wire.refusals import refuse
from ipecs_mw.simulator.wire.sessions import Session
from ipecs_mw.simulator.wire.spelling import Data


@dataclass(frozen=True)
class Job:
    """A checked request: who asks, what for, and the PBX that it is for."""

    pbx: Pbx
    conferences: Conferences
    session: Session
    args: dict[str, Any]

    @property
    def number(self) -> str:
        """The terminal that the request acts on."""
        return str(self.args["deviceNumber"])

    @property
    def ref(self) -> int:
        """The call that the request acts on."""
        return int(self.args["callRefID"])


Handler = Callable[[Job], Data | None]
HANDLERS: dict[str, Handler] = {}


def handles(command: str) -> Callable[[Handler], Handler]:
    """Enter a function into the table of handlers."""

    def enter(handler: Handler) -> Handler:
        HANDLERS[command] = handler
        return handler

    return enter


def _data(**facts: Any) -> Data:
    return {"data": facts}


def _simple(command: str, act: Callable[[Job], object]) -> None:
    """Enter a request that is answered with empty data."""

    def handler(job: Job) -> Data:
        act(job)
        return _data()

    HANDLERS[command] = handler


@handles("smdr.get")
def _get_records(job: Job) -> Data:
    found = job.pbx.records.find(job.args.get("q", {}))
    if job.session.account.service == "client":
        found = [record for record in found if record["StationNumber"] == job.session.account.user]
    if job.args.get("countOnly"):
        return {"count": len(found)}
    items = found[: job.args["maxCount"]]
    return {"count": len(items), "items": items}


@handles("smdr.delete")
def _delete_records(job: Job) -> Data:
    job.pbx.records.delete(job.args["q"])
    return {}


def _is_known(pbx: Pbx, number: str) -> bool:
    return number in pbx.stations or number in pbx.groups or number in pbx.trunks


def _verdicts(job: Job) -> Data:
    return {
        "result": [
            {number: "OK" if _is_known(job.pbx, number) else "invalidMonitorObjectType"}
            for number in job.args["deviceNumber"]
        ]
    }


@handles("monitor.start")
def _start_monitor(job: Job) -> Data:
    for number in job.args["deviceNumber"]:
        if _is_known(job.pbx, number):
            job.session.monitored.add(number)
            station = job.pbx.stations.get(number)
            if station is not None and not station.is_registered:
                job.pbx.tell(number, "unregistered")
    return _verdicts(job)


@handles("monitor.stop")
def _stop_monitor(job: Job) -> Data:
    job.session.monitored.difference_update(job.args["deviceNumber"])
    return _verdicts(job)


@handles("presence.start")
def _start_presence(job: Job) -> Data:
    job.session.presence.update(n for n in job.args["deviceNumber"] if _is_known(job.pbx, n))
    return _verdicts(job)


@handles("presence.stop")
def _stop_presence(job: Job) -> Data:
    job.session.presence.difference_update(job.args["deviceNumber"])
    return _verdicts(job)


@handles("terminals.get")
def _list_terminals(job: Job) -> Data:
    first = job.args["startIndex"]
    return _data(
        terminals=[
            {
                "deviceIndex": station.index,
                "deviceNumber": station.number,
                "deviceType": station.kind,
                "tenantNumber": 1,
                "callControl": "true" if station.is_registered else "false",
            }
            for station in job.pbx.stations.values()
            if first <= station.index < first + job.args["count"]
        ]
    )


@handles("call.make")
def _make(job: Job) -> Data:
    return _data(callRefID=calls.make(job.pbx, job.number, job.args["calledDN"]).ref)


@handles("call.consult")
def _consult(job: Job) -> Data:
    return _data(callRefID=call_services.consult(job.pbx, job.number, job.ref, job.args["calledDN"]).ref)


@handles("call.transfer")
def _transfer(job: Job) -> Data:
    return _data(callRefID=call_services.transfer(job.pbx, job.number, job.ref).ref)


@handles("call.transfer_single_step")
def _transfer_single_step(job: Job) -> Data:
    call = call_services.transfer_single_step(job.pbx, job.number, job.ref, job.args["transferDN"])
    return _data(callRefID=call.ref)


@handles("call.conference")
def _join_conference(job: Job) -> Data:
    return _data(callRefID=call_services.join_conference(job.pbx, job.number, job.ref).ref)


@handles("call.busy_service")
def _serve_busy(job: Job) -> Data:
    return _data(callRefID=call_services.serve_busy(job.pbx, job.number, job.ref, job.args["type"]).ref)


@handles("call.pickup")
def _pick_up(job: Job) -> Data:
    job.pbx.station(job.number)
    number, picked = job.args["callingDN"], job.args.get("pickedDN", "")
    if job.args["pickupType"] == "direct_pickup" and not picked:
        raise refuse("invalidDestination")
    call_services.pick_up(job.pbx, number, picked)
    return _data()


@handles("call.park")
def _park(job: Job) -> Data:
    return _data(parkingLoc=call_services.park(job.pbx, job.number, job.ref))


@handles("call.unpark")
def _unpark(job: Job) -> Data:
    job.pbx.station(job.number)
    if not PARK_START <= job.args["parkingLoc"] <= PARK_END:
        raise refuse("invalidDestination")
    call_services.unpark(job.pbx, job.args["callingDN"], job.args["parkingLoc"])
    return _data()


@handles("call.status")
def _tell_status(job: Job) -> Data:
    station = job.pbx.stations.get(job.number)
    if station is None:
        raise refuse("invalidCallingDeviceIdentifier")
    return _data(state=status_of(station))


@handles("forward.get")
def _get_forward(job: Job) -> Data:
    station = job.pbx.station(job.args["DN"])
    timer = {"ringTime": 15} if station.forward_type in ("no_answer", "busy_noans") else {}
    return _data(cfwdType=station.forward_type, destNumber=station.forward_to, **timer)


@handles("dnd.get")
def _get_dnd(job: Job) -> Data:
    return _data(svcType="enable" if job.pbx.station(job.args["DN"]).is_dnd else "disable")


@handles("mwi.get")
def _get_messages(job: Job) -> Data:
    return _data(**features.message_fields(job.pbx.station(job.number)))


@handles("page.flexible")
def _page(job: Job) -> Data:
    job.pbx.acd(54, next(iter(job.pbx.stations)), "", str(job.args["page_index"]))
    return _data()


@handles("confroom.get")
def _get_room(job: Job) -> Data:
    return _data(**job.conferences.room(job.number, job.args["roomIndex"]))


@handles("clickcall")
def _click_to_call(job: Job) -> None:
    number = job.args["From"]
    station = job.pbx.stations.get(number)
    if number != job.session.account.user or station is None:
        raise refuse("access denied", family="clickcall")
    if not station.is_registered or station.calls:
        raise refuse("caller busy", family="clickcall")
    if not calls.is_outside(job.args["To"]) and job.args["To"] not in job.pbx.stations:
        raise refuse("call restricted", family="clickcall")
    calls.make(job.pbx, number, job.args["To"])


_simple("call.answer", lambda job: calls.answer(job.pbx, job.number, job.ref))
_simple("call.clear", lambda job: calls.clear(job.pbx, job.number, job.ref))
_simple(
    "call.reroute", lambda job: call_services.reroute(job.pbx, job.number, job.ref, job.args["divertToDN"])
)
_simple("call.hold", lambda job: call_services.hold(job.pbx, job.number, job.ref))
_simple("call.retrieve", lambda job: call_services.retrieve(job.pbx, job.number, job.ref))
_simple("call.reconnect", lambda job: call_services.reconnect(job.pbx, job.number, job.ref))
_simple("call.dial_digit", lambda job: call_services.dial_digit(job.pbx, job.number, job.ref))
_simple("callback.cancel", lambda job: call_services.cancel_callback(job.pbx, job.number))
_simple(
    "forward.set",
    lambda job: features.set_forward(job.pbx, job.args["DN"], job.args["cfwdType"], job.args["destNumber"]),
)
_simple(
    "dnd.set",
    lambda job: features.set_dnd(job.pbx, job.args["DN"], is_on=job.args["svcType"] == "enable"),
)
_simple("agent.logon", lambda job: features.log_on(job.pbx, *_agent(job), job.args["loginPrimary"]))
_simple("agent.logoff", lambda job: features.log_off(job.pbx, *_agent(job), job.args["loginPrimary"]))
_simple(
    "agent.state",
    lambda job: features.set_duty(
        job.pbx, *_agent(job), job.args["reasonCode"], is_on=job.args["agentState"] == "dutyOn"
    ),
)
_simple("confgroup.start", lambda job: job.conferences.start(job.number, job.args["groupIndex"]))
_simple(
    "confgroup.add",
    lambda job: job.conferences.add(
        job.number, job.args["groupIndex"], job.args["memberIndex"], job.args["memberDN"]
    ),
)
_simple(
    "confgroup.drop",
    lambda job: job.conferences.drop(job.number, job.args["groupIndex"], job.args["memberIndex"]),
)
_simple(
    "confgroup.mute",
    lambda job: job.conferences.mute(
        job.number, job.args["groupIndex"], job.args["memberIndex"], is_on=job.args["svcType"] == "on"
    ),
)
_simple(
    "confroom.set",
    lambda job: job.conferences.set_room(
        job.number, job.args["roomIndex"], job.args["roomPwd"], is_open=job.args["roomUsage"] == "true"
    ),
)


def _agent(job: Job) -> tuple[str, str, str]:
    return job.number, job.args["agentId"], job.args["groupNumber"]
