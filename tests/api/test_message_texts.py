"""Message texts over the API."""

from typing import Any

from werkzeug.test import TestResponse

from billing_admin.domain.message_texts import TEXT_KEYS, built_in_text
from billing_admin.domain.parties import LANGUAGES
from tests.api.conftest import Script

TEXT = "/message-texts/reminder-1/fr"


def content(response: TestResponse) -> Any:
    return response.json


def test_texts_are_listed_by_key_and_language(script: Script) -> None:
    texts = content(script.get("/message-texts"))["data"]
    assert [(text["key"], text["language"]) for text in texts] == [
        (key, language) for key in TEXT_KEYS for language in LANGUAGES
    ]
    assert all(text["built_in"] for text in texts)


def test_a_text_is_changed_in_part_and_restored(script: Script) -> None:
    read = script.get(TEXT)
    built_in = built_in_text("reminder-1", "fr")
    assert (read.headers["ETag"], content(read)["subject"], content(read)["body"]) == (
        '"1"',
        built_in.subject,
        built_in.body,
    )
    changed = script.call("PATCH", TEXT, {"subject": "Rappel {numbers}"}, headers={"If-Match": '"1"'})
    assert (changed.status_code, changed.headers["ETag"]) == (200, '"2"')
    assert (content(changed)["built_in"], content(changed)["subject"], content(changed)["body"]) == (
        False,
        "Rappel {numbers}",
        built_in.body,
    )
    assert script.call("PATCH", TEXT, {"subject": "x"}, headers={"If-Match": '"1"'}).status_code == 412
    assert script.call("PATCH", TEXT, {"subject": "x"}).status_code == 428
    for _ in range(2):
        restored = script.post(f"{TEXT}/restore", {})
        assert (restored.status_code, restored.headers["ETag"]) == (200, '"3"')
        assert (content(restored)["built_in"], content(restored)["subject"]) == (True, built_in.subject)


def test_wrong_texts_are_refused_at_their_fields(script: Script) -> None:
    body = {"subject": "{documents}\n", "body": "{number}"}
    refused = script.call("PATCH", TEXT, body, headers={"If-Match": '"1"'})
    assert refused.status_code == 422
    assert [(error["pointer"], error["code"]) for error in content(refused)["errors"]] == [
        ("/subject", "unprintable"),
        ("/body", "unknown_field"),
    ]
    assert content(script.get(TEXT))["built_in"] is True


def test_an_unknown_text_is_not_found(script: Script) -> None:
    for path in ("/message-texts/reminder-4/en", "/message-texts/invoice/it"):
        assert script.get(path).status_code == 404
        assert script.call("PATCH", path, {"subject": "x"}, headers={"If-Match": '"1"'}).status_code == 404
        assert content(script.post(f"{path}/restore", {}))["code"] == "unknown_message_text"
