"""Make options for passkeys (WebAuthn), and check the answers of browsers.

The library is loaded on demand: it takes a while, and few requests need it.
"""

import base64
import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from billing_admin.domain.errors import Invalid
from billing_admin.domain.passkeys import Ceremony
from billing_admin.domain.translation import Phrase

BROWSER_TIMEOUT: Final = 60_000  # milliseconds, as the library has it


@dataclass(frozen=True, slots=True)
class NewCredential:
    """A passkey that a browser made."""

    credential_id: bytes
    public_key: bytes
    sign_count: int


def creation_options(ceremony: Ceremony, issuer: str, user_id: UUID, email: str, existing: Collection[bytes]) -> str:
    """Return the options to make a passkey.

    Devices that hold one of `existing` refuse.
    """
    from webauthn import generate_registration_options, options_to_json  # noqa: PLC0415
    from webauthn.helpers.structs import (  # noqa: PLC0415
        AuthenticatorSelectionCriteria,
        PublicKeyCredentialDescriptor,
        ResidentKeyRequirement,
        UserVerificationRequirement,
    )

    return options_to_json(
        generate_registration_options(
            rp_id=ceremony.party.id,
            rp_name=issuer,
            user_id=user_id.bytes,
            user_name=email,
            challenge=ceremony.challenge,
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
            ),
            exclude_credentials=[PublicKeyCredentialDescriptor(id=id) for id in existing],
        )
    )


def request_options(ceremony: Ceremony) -> str:
    """Return the options to sign in with any passkey of this service.

    Written without the library, so that the page to sign in does not load it.
    """
    options = {
        "challenge": base64.urlsafe_b64encode(ceremony.challenge).decode().rstrip("="),
        "rpId": ceremony.party.id,
        "timeout": BROWSER_TIMEOUT,
        "userVerification": "required",
        "allowCredentials": [],
    }
    return json.dumps(options)


def check_new_credential(answer: str, ceremony: Ceremony) -> NewCredential:
    """Return the passkey that a browser made for a challenge.

    Raises:
        Invalid: The answer is not one to this challenge, or the device did not verify the person.
    """
    from webauthn import verify_registration_response  # noqa: PLC0415
    from webauthn.helpers.exceptions import WebAuthnException  # noqa: PLC0415

    try:
        verified = verify_registration_response(
            credential=answer,
            expected_challenge=ceremony.challenge,
            expected_rp_id=ceremony.party.id,
            expected_origin=ceremony.party.origin,
            require_user_verification=True,
        )
    except (WebAuthnException, ValueError) as error:
        raise refused_passkey() from error
    return NewCredential(verified.credential_id, verified.credential_public_key, verified.sign_count)


def credential_id(answer: str) -> bytes:
    """Return the id of the passkey that a browser's answer names.

    Raises:
        Invalid: It is not an answer.
    """
    from webauthn.helpers import parse_authentication_credential_json  # noqa: PLC0415
    from webauthn.helpers.exceptions import WebAuthnException  # noqa: PLC0415

    try:
        return parse_authentication_credential_json(answer).raw_id
    except (WebAuthnException, ValueError) as error:
        raise refused_passkey() from error


def check_assertion(answer: str, ceremony: Ceremony, public_key: bytes, sign_count: int) -> int:
    """Return the new count of uses of a passkey that the device proved to hold.

    Raises:
        Invalid: It does not, or the device did not verify the person.
    """
    from webauthn import verify_authentication_response  # noqa: PLC0415
    from webauthn.helpers.exceptions import WebAuthnException  # noqa: PLC0415

    try:
        verified = verify_authentication_response(
            credential=answer,
            expected_challenge=ceremony.challenge,
            expected_rp_id=ceremony.party.id,
            expected_origin=ceremony.party.origin,
            credential_public_key=public_key,
            credential_current_sign_count=sign_count,
            require_user_verification=True,
        )
    except (WebAuthnException, ValueError) as error:
        raise refused_passkey() from error
    return verified.new_sign_count


def refused_passkey() -> Invalid:
    """Return the error for an answer that is refused."""
    return Invalid(
        "refused_passkey", Phrase("This passkey was not accepted. Try again, or use another way to sign in.")
    )
