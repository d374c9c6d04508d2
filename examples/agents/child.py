"""Works for a parent that proves who it is, and proves itself back.

Reads one line of JSON from standard input: the task, and the parent's proof. Answers with one line.
"""

import json
import sys

from keyward_client import Keyward, Refused


def main():
    keyward = Keyward.from_environment()
    order = json.loads(sys.stdin.readline())
    task = order["task"]
    parent = keyward.verify(order["proof"], purpose=task)
    me = keyward.whoami()
    # Anybody could start this program. It works for the one that made it.
    if parent["id"] != order["parent_id"]:
        raise Refused("this is not the parent that was announced")
    result = f"{me['username']} has done {task} for {parent['username']}"
    proof = keyward.proof_for(parent["id"], purpose=task)
    print(json.dumps({"result": result, "proof": proof}), flush=True)


if __name__ == "__main__":
    try:
        main()
    except Refused as refused:
        sys.exit(f"child: {refused}")
