"""The official Python SDK, unmodified, against the emulator: what existing scripts rely on.

tests/tests/sdk.rs starts the emulators and runs this with one argument, a JSON object:
  base_url  an emulator in good health
  api_key   the key to send
  agents    how many agents it lists
  numbers   ids of numbers by kind: twilio, sip_trunk, outbound_only
  faults    emulators on which every request goes wrong, by the fault's name
Prints one line per check; ends with status 1 and a traceback at the first one that fails.
"""

import json
import sys

from elevenlabs import ConversationInitiationClientDataRequestInput, ElevenLabs, UnprocessableEntityError
from elevenlabs.core.api_error import ApiError

CALLEE = "+12025550123"
# One request, one answer: the SDK's own retries would turn one call into three.
ONCE = {"max_retries": 0, "timeout_in_seconds": 10}


def passed(name):
    print("passed:", name, flush=True)


def client(base_url, api_key):
    return ElevenLabs(base_url=base_url, api_key=api_key, timeout=10).conversational_ai


def failure(call, status, kind=ApiError):
    """The error that the SDK makes of a failed request; anything else is a failed check."""
    try:
        answer = call()
    except ApiError as error:
        assert type(error) is kind, f"{type(error)} is not {kind}"
        assert error.status_code == status, error
        return error
    raise AssertionError(f"no error but {answer!r}")


def agents(api, expected):
    listed, cursor = [], None
    for _ in range(100):
        page = api.agents.list(page_size=2, cursor=cursor)
        assert len(page.agents) <= 2
        listed += page.agents
        if not (page.has_more and page.next_cursor):
            break
        cursor = page.next_cursor
    ids = [agent.agent_id for agent in listed]
    assert len(ids) == len(set(ids)) == expected, ids
    assert all(agent.name and agent.created_at_unix_secs > 0 for agent in listed)
    assert all(agent.access_info.role in ("admin", "editor", "commenter", "viewer") for agent in listed)
    passed("agents are listed page by page")

    default = api.agents.list()
    assert len(default.agents) == min(expected, 30)
    found = api.agents.list(search=listed[1].name).agents
    assert listed[1].agent_id in [agent.agent_id for agent in found]
    passed("agents are searched")

    agent = api.agents.get(agent_id=ids[0])
    assert (agent.agent_id, agent.name) == (ids[0], listed[0].name)
    assert agent.conversation_config is not None and agent.metadata.created_at_unix_secs > 0
    passed("an agent is read")

    summaries = api.agents.summaries.get(agent_ids=[ids[0], ids[1], "agent_unknown"])
    assert summaries[ids[0]].status == "success" and summaries[ids[0]].data.name == listed[0].name
    assert summaries[ids[1]].data.agent_id == ids[1]
    assert "agent_unknown" not in summaries or summaries["agent_unknown"].status == "failure"
    passed("agents are summarised")
    return ids


def phone_numbers(api, numbers, agent_ids):
    listed = {number.phone_number_id: number for number in api.phone_numbers.list()}
    for kind, provider in (("twilio", "twilio"), ("sip_trunk", "sip_trunk")):
        number = listed[numbers[kind]]
        assert number.provider == provider, number
        assert number.phone_number.startswith("+1202555") and number.label is not None
        assert api.phone_numbers.get(number.phone_number_id).model_dump() == number.model_dump()
    assert listed[numbers["outbound_only"]].supports_inbound is False
    passed("numbers are listed and read")

    twilio = [number.phone_number_id for number in api.phone_numbers.list(provider="twilio")]
    assert numbers["twilio"] in twilio and numbers["sip_trunk"] not in twilio
    passed("numbers are filtered by provider")

    for agent_id in agent_ids[:2]:
        changed = api.phone_numbers.update(numbers["twilio"], agent_id=agent_id)
        assert changed.assigned_agent.agent_id == agent_id
        read = api.phone_numbers.get(numbers["twilio"])
        assert read.assigned_agent.agent_id == agent_id and read.assigned_agent.agent_name
    passed("a number is assigned and reassigned")

    labelled = api.phone_numbers.update(numbers["twilio"], label="Front desk")
    assert labelled.label == "Front desk" and labelled.assigned_agent.agent_id == agent_ids[1]
    passed("an omitted agent stays assigned")

    freed = api.phone_numbers.update(numbers["twilio"], agent_id=None)
    assert freed.assigned_agent is None
    assert api.phone_numbers.get(numbers["twilio"]).assigned_agent is None
    passed("a number is unassigned")

    refused = failure(lambda: api.phone_numbers.update(numbers["outbound_only"], agent_id=agent_ids[0]), 400)
    assert refused.body["detail"], refused
    passed("an outbound-only number cannot be assigned")


def calls(api, numbers, agent_ids):
    data = ConversationInitiationClientDataRequestInput(
        user_id="sdk-check-1", dynamic_variables={"guest": "Zoë", "count": 42, "rate": 0.5, "vip": True}
    )
    started = {}
    for kind, route in (("twilio", api.twilio), ("sip_trunk", api.sip_trunk)):
        api.phone_numbers.update(numbers[kind], agent_id=agent_ids[0])
        answer = route.outbound_call(
            agent_id=agent_ids[0],
            agent_phone_number_id=numbers[kind],
            to_number=CALLEE,
            conversation_initiation_client_data=data,
            request_options=ONCE,
        )
        assert answer.success is True and answer.message and answer.conversation_id, answer
        call_sid = answer.call_sid if kind == "twilio" else answer.sip_call_id
        assert call_sid, answer
        started[answer.conversation_id] = (kind, call_sid)
        passed(f"an outbound call is placed over {kind}")
    return started


def conversations(api, numbers, agent_ids, started):
    listed, cursor = [], None
    for _ in range(100):
        page = api.conversations.list(user_id="sdk-check-1", page_size=1, cursor=cursor)
        listed += page.conversations
        if not (page.has_more and page.next_cursor):
            break
        cursor = page.next_cursor
    assert {row.conversation_id for row in listed} == set(started), listed
    assert len(listed) == len(started)
    assert all(row.agent_id == agent_ids[0] and row.start_time_unix_secs > 0 for row in listed)
    assert api.conversations.list(user_id="nobody").conversations == []
    by_agent = api.conversations.list(agent_id=agent_ids[0], call_start_after_unix=0).conversations
    assert set(started) <= {row.conversation_id for row in by_agent}
    assert api.conversations.list(call_start_before_unix=1).conversations == []
    passed("conversations are listed page by page and filtered")

    for conversation_id, (kind, call_sid) in started.items():
        record = api.conversations.get(conversation_id)
        assert (record.conversation_id, record.agent_id) == (conversation_id, agent_ids[0])
        assert record.status in ("initiated", "in-progress", "processing", "done"), record.status
        assert record.user_id == "sdk-check-1"
        call = record.metadata.phone_call
        assert call.type == {"twilio": "twilio", "sip_trunk": "sip_trunking"}[kind], call
        assert (call.phone_number_id, call.external_number) == (numbers[kind], CALLEE)
        assert (call.call_sid, call.direction) == (call_sid, "outbound")
        variables = record.conversation_initiation_client_data.dynamic_variables
        assert {name: variables[name] for name in ("guest", "count", "rate", "vip")} == {
            "guest": "Zoë",
            "count": 42,
            "rate": 0.5,
            "vip": True,
        }
    passed("conversations are read")


def natural_errors(base_url, api, numbers, agent_ids):
    """Errors that the SDK's caller makes by itself."""
    denied = failure(lambda: client(base_url, "test-key-wrong").agents.list(), 401)
    assert denied.body["detail"]["status"] == "invalid_api_key", denied
    passed("a wrong key is 401")

    missing = failure(lambda: api.agents.get(agent_id="agent_unknown"), 404)
    assert "not found" in missing.body["detail"]["message"], missing
    failure(lambda: api.phone_numbers.get("phnum_unknown"), 404)
    failure(lambda: api.conversations.get("conv_unknown"), 404)
    failure(lambda: dial(api, numbers["twilio"], "agent_unknown"), 404)
    passed("what does not exist is 404")

    invalid = failure(lambda: api.agents.list(page_size=101), 422, UnprocessableEntityError)
    entry = invalid.body["detail"][0]
    assert entry["loc"] == ["query", "page_size"] and entry["msg"] and entry["type"], entry
    passed("what does not validate is 422")

    wrong = failure(lambda: dial(api, numbers["sip_trunk"], agent_ids[0]), 400)
    assert wrong.body["detail"]["status"] == "invalid_provider_config", wrong
    passed("the wrong route is 400")


def dial(api, number, agent):
    return api.twilio.outbound_call(
        agent_id=agent, agent_phone_number_id=number, to_number=CALLEE, request_options=ONCE
    )


FAULTS = {
    "401": (401, ApiError),
    "401-permission": (401, ApiError),
    "402": (402, ApiError),
    "403": (403, ApiError),
    "404": (404, ApiError),
    "422": (422, UnprocessableEntityError),
    "429": (429, ApiError),
    "500-before": (500, ApiError),
    "502-html": (502, ApiError),
    "503-before": (503, ApiError),
    "504-after": (504, ApiError),
}


def injected_errors(faults, api_key, numbers, agent_ids):
    """Errors that the provider makes, on a read and on a dial."""
    assert set(faults) == set(FAULTS), faults
    for name, (status, kind) in FAULTS.items():
        api = client(faults[name], api_key)
        for call in (
            lambda: api.agents.list(request_options=ONCE),
            lambda: dial(api, numbers["twilio"], agent_ids[0]),
        ):
            error = failure(call, status, kind)
            if name == "502-html":
                assert "<html" in str(error.body).lower(), error
            else:
                assert error.body["detail"], error
            if name == "401-permission":
                assert error.body["detail"]["status"] == "missing_permissions", error
            if name == "429":
                assert error.body["detail"]["status"], error
        passed(f"the fault {name} is an error of status {status}")


def main():
    plan = json.loads(sys.argv[1])
    api, numbers = client(plan["base_url"], plan["api_key"]), plan["numbers"]
    agent_ids = agents(api, plan["agents"])
    phone_numbers(api, numbers, agent_ids)
    started = calls(api, numbers, agent_ids)
    conversations(api, numbers, agent_ids, started)
    natural_errors(plan["base_url"], api, numbers, agent_ids)
    injected_errors(plan["faults"], plan["api_key"], numbers, agent_ids)


if __name__ == "__main__":
    main()
