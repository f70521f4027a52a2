"""OpenAI's Responses API as a dialect: `asked` reads, `translation` makes a chat of it, `telling` tells the answer.

What a chat cannot say (tools that OpenAI runs, conversations kept elsewhere) is left to targets that speak the dialect.
"""
