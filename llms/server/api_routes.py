"""The part of the URL table for the owner and the page: local models, settings, providers, usage, what runs now."""

from __future__ import annotations

from collections.abc import Callable

from llms.server.access import Handler
from llms.server.live_requests import LiveRequests
from llms.server.local_models import LocalModels
from llms.server.provider_trial import ProviderTrial
from llms.server.providers import Providers
from llms.server.pull import Pull
from llms.server.services import Services
from llms.server.settings import Settings
from llms.server.usage_page import UsagePage


def add_api_routes(route: Callable[[str, str, Handler], None], services: Services) -> None:
    """Fill it with `route(method, path, handler)`; none of these is public."""
    local, providers = LocalModels(services), Providers(services)
    usage, live = UsagePage(services), LiveRequests(services)

    route("GET", "/api/models", local.list_all)
    route("POST", "/api/models/{id:.+}/load", local.load)
    route("DELETE", "/api/models/{id:.+}/load", local.unload)
    route("DELETE", "/api/models/{id:.+}", local.remove)
    route("POST", "/api/pull", Pull(services).post)

    route("GET", "/api/settings", Settings(services).get)

    route("GET", "/api/providers", providers.list_all)
    route("PATCH", "/api/providers/{name}", providers.switch)
    route("PUT", "/api/providers/{name}/key", providers.enter_key)
    route("DELETE", "/api/providers/{name}/key", providers.forget_key)
    route("POST", "/api/providers/{name}/test", ProviderTrial(services).post)

    route("GET", "/api/usage", usage.report)
    route("GET", "/api/usage/requests", usage.rows)

    route("GET", "/api/requests", live.list_all)
    route("DELETE", "/api/requests/{id}", live.cancel)
