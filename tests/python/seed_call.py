"""One call as people place it today: a script with the official SDK, unmodified.

Lists the agents, assigns the number to the one of the given name, and places the call. It does what
`partyline call` does, as far as a script of this length does it, and is measured beside it:
`cargo bench -p partyline-tests --bench process`.

usage: seed_call.py <base url> <key> <agent's name> <number's id> <callee>
Prints the conversation's id and, for the benchmark, the milliseconds from after its imports to the end.
"""

import sys
import time

from elevenlabs import ElevenLabs


def main():
    base_url, api_key, name, number, callee = sys.argv[1:]
    began = time.monotonic()
    api = ElevenLabs(base_url=base_url, api_key=api_key).conversational_ai
    agents = api.agents.list().agents
    agent = next(agent for agent in agents if agent.name == name)
    api.phone_numbers.update(number, agent_id=agent.agent_id)
    call = api.twilio.outbound_call(
        agent_id=agent.agent_id, agent_phone_number_id=number, to_number=callee
    )
    if not call.success:
        sys.exit(call.message)
    print(call.conversation_id, round((time.monotonic() - began) * 1000, 1))


main()
