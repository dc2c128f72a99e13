"""Acts on rows that a person selected on a list whose acts take its filter."""

from uuid import UUID

from flask import flash, redirect, request, url_for
from flask.typing import ResponseReturnValue

from billing_admin.db.transactions import transaction
from billing_admin.domain.errors import Invalid
from billing_admin.operations.selections import store_selection
from billing_admin.web.frame.list_params import filtered_url, selected_ids
from billing_admin.web.frame.signed_in import actor, now


def continue_with_selection(kind: str, endpoint: str, list_endpoint: str) -> ResponseReturnValue:
    """Continue with an act on the ticked rows, or on all that match the filter.

    The page of the act takes the filter of the list, of which the stored selection is a part.
    """
    if request.form.get("all") == "1":
        return redirect(filtered_url(endpoint), 303)
    try:
        selection_id: UUID = transaction(store_selection, kind, selected_ids(), actor(), now())
    except Invalid as error:
        flash(error.message, "warning")
        return redirect(filtered_url(list_endpoint), 303)
    return redirect(url_for(endpoint, selection=selection_id), 303)
