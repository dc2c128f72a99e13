"""A device that holds one passkey, in software: it answers the options of a page as a browser does."""

import base64
import hashlib
import json
import secrets
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

USER_PRESENT, USER_VERIFIED, HAS_CREDENTIAL = 0x01, 0x04, 0x40


class Device:
    """A passkey on a P-256 key. `verifies`: the device checks who uses it. `count`: its count of uses."""

    def __init__(self, *, verifies: bool = True) -> None:
        self.key, self.id = ec.generate_private_key(ec.SECP256R1()), secrets.token_bytes(32)
        self.verifies, self.count = verifies, 0

    def create(self, options: str, origin: str = "http://localhost") -> str:
        """Answer the options to make a passkey."""
        given = json.loads(options)
        point = self.key.public_key().public_numbers()
        public_key = {1: 2, 3: -7, -1: 1, -2: point.x.to_bytes(32, "big"), -3: point.y.to_bytes(32, "big")}
        credential = bytes(16) + len(self.id).to_bytes(2, "big") + self.id + cbor2.dumps(public_key)
        data = self._data(given["rp"]["id"], HAS_CREDENTIAL) + credential
        attestation = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        client = _client_data("webauthn.create", given, origin)
        return self._answer({"clientDataJSON": _text(client), "attestationObject": _text(attestation)})

    def get(self, options: str, origin: str = "http://localhost") -> str:
        """Answer the options to sign in."""
        given = json.loads(options)
        data, client = self._data(given["rpId"]), _client_data("webauthn.get", given, origin)
        signature = self.key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(SHA256()))
        return self._answer(
            {"clientDataJSON": _text(client), "authenticatorData": _text(data), "signature": _text(signature)}
        )

    def _data(self, party: str, flags: int = 0) -> bytes:
        flags |= USER_PRESENT | (USER_VERIFIED if self.verifies else 0)
        return hashlib.sha256(party.encode()).digest() + bytes([flags]) + self.count.to_bytes(4, "big")

    def _answer(self, response: dict[str, Any]) -> str:
        return json.dumps({"id": _text(self.id), "rawId": _text(self.id), "type": "public-key", "response": response})


def _client_data(type: str, options: dict[str, Any], origin: str) -> bytes:
    return json.dumps({"type": type, "challenge": options["challenge"], "origin": origin}).encode()


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
