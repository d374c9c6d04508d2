"""Starts an agent, proves to it who it is, and verifies who answers.

    KEYWARD_URL=http://127.0.0.1:8080 KEYWARD_KEY=kw_agent_… python3 parent.py worker

The key has to be one of an agent with the scope `agents:write`: people have no proofs.
"""

import json
import os
import subprocess
import sys
import uuid
from pathlib import Path

from keyward_client import Keyward, Refused


def main(name):
    keyward = Keyward.from_environment()
    me = keyward.whoami()
    if me["kind"] != "agent":
        raise Refused("KEYWARD_KEY is the key of a person; make an agent and take its key")
    child = keyward.create_agent(name, scopes=["read"])
    # As narrow as the task, so that each task has proofs of its own.
    task = f"task {uuid.uuid4()}"
    order = {
        "task": task,
        "parent_id": me["id"],
        "proof": keyward.proof_for(child["id"], purpose=task),
    }
    answer = start(child["api_key"], order)
    proven = keyward.verify(answer["proof"], purpose=task)
    if proven["id"] != child["id"]:
        raise Refused(f"{proven['username']} has answered, and is not who was asked")
    print(answer["result"])
    print(f"verified {proven['username']}, made by {proven['lineage'][-1]['username']}")
    try:
        keyward.verify(answer["proof"], purpose=task)
    except Refused:
        print("the same code a second time: refused")
    else:
        raise Refused("a code was accepted twice")


def start(key, order):
    """The child gets its key in its environment, and its order on standard input."""
    child = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("child.py"))],
        input=json.dumps(order) + "\n",
        env={**os.environ, "KEYWARD_KEY": key},
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
    )
    if child.returncode != 0:
        raise Refused("the child has refused")
    return json.loads(child.stdout)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: parent.py NAME")
    try:
        main(sys.argv[1])
    except Refused as refused:
        sys.exit(f"parent: {refused}")
