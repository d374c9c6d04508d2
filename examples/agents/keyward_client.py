"""The few calls to Keyward that the two example agents make. Standard library only."""

import json
import os
import urllib.error
import urllib.request


class Refused(Exception):
    """Keyward or the other agent said no."""


class Keyward:
    def __init__(self, url, key):
        self.url = url.rstrip("/")
        self.key = key

    @classmethod
    def from_environment(cls):
        return cls(os.environ["KEYWARD_URL"], os.environ["KEYWARD_KEY"])

    def call(self, method, path, body=None):
        request = urllib.request.Request(
            f"{self.url}/api/v1{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            problem = json.load(error)
            raise Refused(f"{path}: {problem['title']}") from None

    def whoami(self):
        return self.call("GET", "/auth/me")

    def create_agent(self, name, scopes):
        body = {"name": name, "scopes": scopes, "rotate": True}
        return self.call("POST", "/agents", body)

    def proof_for(self, audience, purpose):
        """What to hand to `audience`: our own name and a code for this purpose."""
        body = {"audience": audience, "purpose": purpose}
        shown = self.call("POST", "/agents/me/totp-code", body)
        return {"username": shown["username"], "code": shown["totp_code"]}

    def verify(self, proof, purpose):
        """Who has handed us this proof."""
        answer = self.call("POST", "/agents/verify", {**proof, "purpose": purpose})
        if not answer["verified"] or not answer["bound"]:
            raise Refused(f"{proof['username']} has not shown who it is")
        return answer["agent"]
