"""For tests of providers, here and elsewhere: a scripted upstream, recorded shapes, a clock, the provider contract.

Nothing of the product imports this package. Start with `llms.testing.contract`: a provider of your own is tested
by subclassing `ProviderContract` and saying how to make it.
"""
