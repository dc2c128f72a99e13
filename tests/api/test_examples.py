"""The examples in the OpenAPI document are real, complete and valid. `RECORD=1` records them again."""

import json
import os
from http import HTTPStatus
from pathlib import Path

import pytest

from billing_admin import api
from billing_admin.api.frame.routing import ROUTES, Route
from billing_admin.api.routes.pdf import MEDIA_TYPE as PDF
from billing_admin.formats.export import FORMATS
from tests.api.example_requests import Recorder, masked, numbered
from tests.api.openapi_check import operation, resolved, validate, whole

FILE = Path(api.__file__).with_name("frame") / "examples.json"
WITHOUT_EXAMPLE = {("get_openapi", "200")}
NO_TEXT = {PDF, FORMATS["xlsx"]}  # an example of a binary file is of no use


def test_the_examples_are_what_was_asked_and_answered(recording: Recorder, backend: str) -> None:
    content = {"problems": dict(sorted(recording.problems.items())), "routes": recording.routes}
    if os.environ.get("RECORD") and backend == "sqlite":
        FILE.write_text(numbered(content))
    assert masked(content) == masked(json.loads(FILE.read_text()))


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_every_example_is_as_the_document_says(route: Route) -> None:
    """Each route has an example of each response, and of its request body if it has one."""
    told_of = operation(route)
    if route.body is not None:
        content = told_of["requestBody"]["content"]["application/json"]
        validate(content["schema"], content["example"])
    for status, answer in told_of["responses"].items():
        for media, content in resolved(answer)["content"].items():
            if media == "application/json" and isinstance(route.response, str) and route.or_json:
                continue  # the alternative to a file
            if media not in NO_TEXT and (route.name, status) not in WITHOUT_EXAMPLE:
                validate(content["schema"], content["example"])
    for parameter in told_of["parameters"]:
        if "{" + parameter["name"] + "}" in route.path:
            validate(parameter["schema"], parameter["example"])


def test_every_status_that_is_refused_has_a_real_problem() -> None:
    for status, response in whole()["components"]["responses"].items():
        example = response["content"]["application/problem+json"]["example"]
        assert (example["status"], example["title"]) == (int(status), HTTPStatus(int(status)).phrase)
