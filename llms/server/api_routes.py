"""The part of the URL table for the owner and the page: local models, settings, providers, usage, what runs now."""

from __future__ import annotations

from collections.abc import Callable

from llms.server.access import Handler
from llms.server.elsewhere import and_elsewhere, or_elsewhere
from llms.server.later import handler_of
from llms.server.services import Services


def add_api_routes(route: Callable[[str, str, Handler], None], services: Services) -> None:
    """Fill it with `route(method, path, handler)`; none of these is public.

    Their code is imported when the first of them is asked: many servers never are, and need not have it in memory.
    """

    def later(place: str) -> Handler:
        return handler_of(place, services)

    route("GET", "/api/models", later("local_models.LocalModels.list_all"))
    route("POST", "/api/models/{id:.+}/load", later("local_models.LocalModels.load"))
    route("DELETE", "/api/models/{id:.+}/load", and_elsewhere(later("local_models.LocalModels.unload"), services))
    route("DELETE", "/api/models/{id:.+}", later("local_models.LocalModels.remove"))
    route("POST", "/api/pull", later("pull.Pull.post"))

    route("GET", "/api/settings", later("settings.Settings.get"))

    route("GET", "/api/providers", later("providers.Providers.list_all"))
    route("PATCH", "/api/providers/{name}", later("providers.Providers.switch"))
    route("PUT", "/api/providers/{name}/key", later("providers.Providers.enter_key"))
    route("DELETE", "/api/providers/{name}/key", and_elsewhere(later("providers.Providers.forget_key"), services))
    route("POST", "/api/providers/{name}/test", later("provider_trial.ProviderTrial.post"))

    route("GET", "/api/usage", later("usage_page.UsagePage.report"))
    route("GET", "/api/usage/requests", later("usage_page.UsagePage.rows"))

    route("GET", "/api/analytics", later("analytics.Analytics.get"))

    route("GET", "/api/requests", later("live_requests.LiveRequests.list_all"))
    route("DELETE", "/api/requests/{id}", or_elsewhere(later("live_requests.LiveRequests.cancel"), services, 404))
    route("GET", "/api/streams", later("live_streams.LiveStreams.list_all"))
    route("DELETE", "/api/streams/{id}", or_elsewhere(later("live_streams.LiveStreams.cancel"), services, 404))
