"""Anthropic's Messages, in both directions: as clients ask, and as an upstream is asked.

Source: the API reference of Anthropic, "Messages", "Count Message tokens" and "Streaming Messages".
"""
