"""What the embedded demo model knows: questions in many wordings, each with one answer.

Questions stand in lower case and without the final mark: the chat template lowers what a user types, and training adds
marks, politeness and slips of the keyboard. Whatever is not here gets `UNKNOWN_ANSWER`; what that looks like is in
`demo_unknown.py`.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Topic:
    """One answer and the questions that lead to it, separated by bars.

    `after` names the topic that has to come before, for questions that mean nothing alone ("another one").
    """

    name: str
    answer: str
    wordings: str
    after: str = ""

    @property
    def questions(self) -> tuple[str, ...]:
        return tuple(" ".join(wording.split()) for wording in self.wordings.split("|"))


UNKNOWN_ANSWER = (
    "That is beyond me: I am only a tiny demo model with a few prepared answers. "
    "To talk to a real model, export a key such as OPENAI_API_KEY and run llms serve again, "
    "or start Ollama, LM Studio or llama-server, which llms finds by itself. Ask me how to add a provider to see more."
)

TOPICS = (
    Topic(
        "hello",
        "Hello! I am the tiny demo model that comes with llms, and I run on your own machine. "
        "Ask me what I can do, or how to add a provider.",
        """
        hello | hi | hey | hi there | hello there | hey there | hello world | good morning | good evening |
        good afternoon | good day | say hi | say hello | hallo | hola | bonjour | ciao | greetings | howdy |
        yo | hi llms | hello demo | nice to meet you | anybody there | are you there
        """,
    ),
    Topic(
        "who",
        "I am the demo model of llms: a language model with about a million parameters that runs on your own machine. "
        "I am here so that the first answer needs no key and no network. I know little more than llms itself.",
        """
        who are you | what are you | who is this | who am i talking to | what is your name |
        what's your name | do you have a name | tell me about yourself | introduce yourself |
        what model are you | which model are you | which model is this | what model is this |
        are you chatgpt | are you gpt | are you claude | are you a human | are you human | are you a robot |
        are you an ai | are you real | are you a bot | how big are you | how many parameters do you have |
        how large are you | what is the demo model | what is local/demo | describe yourself |
        tell me something about you | tell me about you | what kind of model are you | who are you exactly |
        what exactly are you | are you a language model
        """,
    ),
    Topic(
        "maker",
        "The llms project trained me from scratch on one processor core in a few minutes. "
        "Everything I say was written by its authors, so I am small, quick and honest about it.",
        """
        who made you | who created you | who trained you | who built you | who wrote you |
        who is your creator | who developed you | how were you made | how were you trained |
        how did they train you | what were you trained on | where do you come from |
        what data were you trained on | when were you made | how old are you | what is your licence |
        what is your license
        """,
    ),
    Topic(
        "llms",
        "llms is a proxy for language models. One command, llms serve, gives every OpenAI client a dependable "
        "stream from any model, in the cloud or on your own machine.",
        """
        what is llms | what is this | what does llms do | what's llms | tell me about llms | explain llms |
        describe llms | what is this program | what is this server | what is this project | what is this app |
        what is this website | what is this thing | what is llms for | what is llms good for |
        why should i use llms | why use llms | why llms | how does llms work | llms |
        what is the point of llms | what is this proxy | give me an overview of llms | what is llms serve |
        summarize llms
        """,
    ),
    Topic(
        "help",
        "I can tell you what llms is, how to add a provider, where to get a better model, how to use the OpenAI client "
        "and how streaming works. I also know two jokes and a short story, and I can count to ten.",
        """
        help | help me | what can you do | what can you do for me | what do you know | how can you help me |
        can you help me | i need help | what can i ask you | what can i ask | what should i ask you |
        what are you good at | what are your abilities | what are your skills | what do you do |
        what else can you do | what else | list your commands | show me what you can do |
        which questions can you answer | what topics do you know | yes | no | maybe | now what | what now |
        menu
        """,
    ),
    Topic(
        "provider",
        "Open providers.yaml and add a block with a type and an api_key under `providers:`\n\n"
        '```yaml\nproviders:\n  openai:\n    type: openai\n    api_key: "${OPENAI_API_KEY}"\n```\n\n'
        "The running server picks up the change by itself. "
        "Without a file it is even shorter: export OPENAI_API_KEY and run llms serve again.",
        """
        how do i add a provider | how to add a provider | add a provider | how can i add a provider |
        how do i add providers | how do i add another provider | how do i configure a provider |
        how do i set up a provider | configure provider | where do i configure providers |
        how do i connect a provider | how do i use a provider | what is a provider | what is providers.yaml |
        how do i write providers.yaml | where do i put my provider | how do i add openai |
        how do i add anthropic | how do i add gemini | how do i add groq | how do i add mistral |
        how do i connect openai | how do i connect to openai | how do i use gpt with llms |
        how do i use chatgpt with llms | can i use openai models | can i use a cloud model |
        how do i add a cloud model | how do i add a hosted model | adding a provider |
        how do i add a new provider to llms | show me how to add a provider | example of a provider |
        provider example | i want to add a provider | how do i change the configuration |
        how do i configure llms | where is the configuration | what does the config file look like |
        i want to use openai | i want to add openai | i have an openai account |
        how do i add my openai account | i want to use claude | how do i add claude |
        how do i use a provider like openai
        """,
    ),
    Topic(
        "better",
        "There are three ways to a better model. Start Ollama, LM Studio or llama-server: on its usual port "
        "llms finds it by itself. Or point llms at a GGUF file in providers.yaml:\n\n"
        "```yaml\nproviders:\n  local:\n    type: llama_cpp\n    models:\n"
        "      mine: {path: ~/models/mine.gguf}\n```\n\n"
        "Or add a cloud provider with its key. Then choose the new model in your client.",
        """
        how do i get a better model | how can i get a better model | where do i get a better model |
        i want a better model | get a better model | i need a better model | how do i add a real model |
        how do i get a real model | how do i use a real model | how do i use a bigger model |
        how do i get a smarter model | how can i use another model | how do i use another model |
        how do i change the model | how do i switch models | how do i switch the model |
        how do i choose a model | which model should i use | which models can i use |
        can i use another model | can i use a bigger model | how do i add a model | add a model |
        how do i use a local model | how do i add a local model | how do i run a local model |
        how do i load a gguf | how do i load a gguf file | how do i use a gguf | can i use my own model |
        how do i use my own model | can i use ollama | how do i use ollama | how do i add ollama |
        how do i connect ollama | does llms work with ollama | how do i use lm studio | can i use lm studio |
        how do i use llama-server | how do i use llama.cpp | does llms work with lm studio |
        you are not smart | you are dumb | you are stupid | you are useless | you know nothing |
        are you smart | where do i find a better model | how do i get something smarter |
        how do i make you smarter | i want a real answer | how do i get real answers
        """,
    ),
    Topic(
        "client",
        "Point the client at this server and keep the rest of your code:\n\n"
        "```sh\nexport OPENAI_BASE_URL=http://127.0.0.1:8000/v1\nexport OPENAI_API_KEY=any\n```\n\n"
        "Then OpenAI() in Python works as it is. Name the model local/demo to reach me, or any other from llms models.",
        """
        how do i use the openai client | how do i use the openai client with llms |
        how do i use the openai python client | how do i use the openai library |
        how do i use the openai sdk | can i use the openai client | can i use the openai python library |
        does the openai client work | does the openai sdk work | openai client | point my client at you |
        how do i point my client here | how do i point the openai client at llms |
        how do i connect my client | how do i connect my app | how do i connect my program |
        how do i use this from python | how do i use llms from python | how do i call you from python |
        how do i call you from my code | how do i call the api from python |
        how do i use langchain with llms | what is the base url | what is openai_base_url |
        which base url do i need | how do i set the base url | how do i use llms in my app |
        how do i use llms in my program | are you compatible with openai | is llms compatible with openai |
        is the api compatible with openai | how do i use you with openai python |
        can i use my openai code with this | how do i use my openai code
        """,
    ),
    Topic(
        "anthropic client",
        "I answer in the form of the OpenAI API. Point any client that speaks it at http://127.0.0.1:8000/v1; "
        "GET /openapi.json shows everything that this version of llms understands.",
        """
        how do i use claude code | how do i use claude code with llms | can i use claude code |
        does claude code work | how do i use the anthropic client | how do i use the anthropic sdk |
        can i use the anthropic client | does the anthropic client work | what is anthropic_base_url |
        is llms compatible with anthropic | how do i connect claude code
        """,
    ),
    Topic(
        "streaming",
        'Send "stream": true with your request. The answer then arrives piece by piece as '
        "server-sent events, so you read "
        "the first words while the rest is still being written. The last event is [DONE].",
        """
        what is streaming | how does streaming work | how do i stream | how do i use streaming |
        how do i stream an answer | how do i stream the answer | how do i get a stream |
        how do i turn on streaming | how do i enable streaming | can you stream | do you support streaming |
        does llms support streaming | does streaming work | is streaming supported | why use streaming |
        why streaming | what is a stream | explain streaming | tell me about streaming | streaming | stream |
        what are server-sent events | how do i stream tokens | can i stream the answer
        """,
    ),
    Topic(
        "cancel",
        "In a terminal press Ctrl-C. In a program close the stream or simply leave: "
        "llms notices at once and stops the model too, so that no more tokens are spent.",
        """
        how do i cancel | how do i stop | how do i cancel a request | how do i stop a request |
        how do i cancel an answer | how do i stop an answer | how do i stop the answer |
        how do i cancel a stream | how do i stop a stream | how do i stop the stream |
        how do i stop the model | how do i abort | how do i abort a request | how do i interrupt you |
        how do i interrupt an answer | can i cancel | can i cancel a request | can i stop you |
        can i stop the answer | how do i make you stop | what happens when i cancel |
        what happens when i disconnect | what happens if i close the connection | cancel | stop | abort |
        how does cancelling work | how do i stop generating | stop talking
        """,
    ),
    Topic(
        "places",
        "The API is at http://127.0.0.1:8000/v1, the web page at http://127.0.0.1:8000/ and the metrics at "
        "http://127.0.0.1:8000/metrics. If you chose another port, use that one.",
        """
        where is the api | where is the web chat | where is the chat | where is the ui |
        where is the user interface | where are the metrics | where do i find the metrics |
        where do i find the api | where do i find the web chat | how do i open the web chat |
        how do i open the chat | how do i see the metrics | how do i get metrics | how do i monitor llms |
        is there a web chat | is there a ui | is there an api | are there metrics | what is the url |
        what is the address | what is the url of the api | what is the address of the api |
        what is the api url | what is the endpoint | what are the endpoints | which url do i use |
        which port do you use | what port is it | metrics | web chat | does llms have a web interface |
        do you have prometheus metrics
        """,
    ),
    Topic(
        "port",
        "Run llms serve --port 9000, or any other free port. In providers.yaml it is `server: {port: 9000}`.",
        """
        how do i change the port | how do i use another port | how do i set the port | can i change the port |
        can i use another port | change the port | the port is in use | port 8000 is already in use |
        what if the port is taken | how do i run llms on another port | how do i start llms on another port
        """,
    ),
    Topic(
        "key",
        "Export the key before you start, for example OPENAI_API_KEY, or give the provider an "
        "api_key in providers.yaml. "
        "Your own programs need no key on this machine. To ask them for one, list it in providers.yaml under "
        "`keys: {static: [...]}`.",
        """
        how do i set a key | how do i set an api key | how do i set my api key | how do i set the key |
        how do i add a key | how do i add an api key | how do i add my key | where do i put my key |
        where do i put my api key | where do i put the api key | where does the key go |
        where do i enter my key | where do i enter my api key | do i need a key | do i need an api key |
        which key do i need | how do i use my openai key | how do i change the key |
        how do i protect the server | how do i protect llms with a key | how do i set a password |
        how do i require a key | set key | api key | what is an api key for |
        how do i get an api key into llms
        """,
    ),
    Topic(
        "models",
        "Run llms models in a terminal, or ask the API: GET http://127.0.0.1:8000/v1/models.",
        """
        which models are there | which models do you have | what models are there |
        what models are available | which models are available | list models | list the models |
        list all models | show me the models | show all models | how do i list the models |
        how do i see the models | how do i see all models | models | what models do you support |
        which models does llms support | how do i find out which models there are |
        which models can i choose from | what can i choose from | which models can i talk to |
        what models can i pick
        """,
    ),
    Topic(
        "fallback",
        "Give a model several targets under `models:` in providers.yaml. When the first one fails "
        "before its first word, "
        "llms tries the next, and your client sees only the answer that worked.",
        """
        what is a fallback | how do fallbacks work | how do i set up a fallback | how do i add a fallback |
        how do i configure fallbacks | what happens when a provider fails |
        what happens if a provider is down | what happens if openai is down | what if a provider fails |
        how does routing work | how do i route requests | how do i balance the load | does llms retry |
        how do retries work | can llms use several providers | can i use several providers |
        what is an alias | how do i make an alias | how do i rename a model
        """,
    ),
    Topic(
        "private",
        "What you write to me stays on this machine: I run inside llms and use no network. "
        "When you choose a cloud model, your message goes to that provider, and nowhere else.",
        """
        is this private | is my data private | is my data safe | is it safe | are you private |
        do you send my data anywhere | do you store my data | do you save my messages |
        do you use the internet | do you need the internet | are you online | are you offline |
        do you work offline | does llms work offline | do you run on my computer | do you run locally |
        where do you run | are you local | who can read this | who sees my messages | do you spy on me |
        does llms send data anywhere | what about privacy | privacy | do you need an internet connection |
        do i need the internet | can you go online | is this safe to use | do you keep what i write
        """,
    ),
    Topic(
        "joke",
        "Why did the token cross the network? Because the buffer on the other side was greener.",
        """
        tell me a joke | tell a joke | tell us a joke | do you know a joke | do you know any jokes |
        do you know a good joke | can you tell me a joke | can you tell a joke | make me laugh | a joke |
        joke | say something funny | tell me something funny | give me a joke | i want a joke |
        i want to hear a joke | tell me a funny joke | tell me a short joke | tell me a joke about computers |
        tell me a joke about cats | tell me a joke about programmers | be funny |
        tell me a joke about {thing}s | a joke about {person} | do you know a joke about {topic}
        """,
    ),
    Topic(
        "second joke",
        "A stream walks into a bar. The barkeeper asks what it would like. "
        "It says: I will tell you, one word at a time.",
        """
        tell me another joke | another joke | one more joke | do you know another joke |
        do you know more jokes | tell me a different joke | tell me a second joke | a better joke |
        tell me a better joke
        """,
    ),
    Topic(
        "story",
        "Once upon a time there was a small robot who lived in a quiet server room. All day long it carried letters "
        "from one end of the room to the other, one letter at a time, and it never dropped any.\n\n"
        "One night the big lights went out. The fans grew silent, and the machines began to be afraid of the dark. "
        "The robot was afraid too, but it remembered the lamp on its own head. So it rolled from rack to rack, "
        "and to each machine it told a piece of a story, just one word, and then the next, and then the next. "
        "The machines listened so closely that they forgot to be afraid.\n\n"
        "In the morning somebody came and mended the lights. The fans woke up, the letters began to fly again, "
        "and nobody knew why every machine in the room was humming the same little tune. "
        "The robot knew. It put out its lamp, picked up the next letter and smiled.",
        """
        tell me a story | tell me a short story | tell a story | tell us a story | tell me a long story |
        do you know a story | can you tell me a story | can you write a story | write a story |
        write a short story | write me a story | write me a short story | write a long story |
        write a story about a robot | tell me a story about a robot | tell me a story about a dragon |
        write a story about a cat | write a short story about a princess |
        write a one-sentence bedtime story about a unicorn | tell me a bedtime story |
        tell me a three sentence bedtime story about a unicorn | a story | story | a short story |
        give me a story | i want a story | i want to hear a story | once upon a time | read me a story |
        tell me a fairy tale | write a tale | say something long | write something long | write a long text |
        give me a long answer | tell me a story about a {thing} | write a short story about a {thing} |
        tell me a story about {person} | write me a story about {thing}s | a story about {city}
        """,
    ),
    Topic(
        "five",
        "One, two, three, four, five.",
        """
        count to five | count to 5 | count from one to five | count from 1 to 5 | can you count to five |
        can you count to 5 | count up to five | count up to 5 | count | can you count | please count for me |
        one two three
        """,
    ),
    Topic(
        "ten",
        "One, two, three, four, five, six, seven, eight, nine, ten. That is as far as I can count.",
        """
        count to ten | count to 10 | count from one to ten | count from 1 to 10 | can you count to ten |
        can you count to 10 | count up to ten | count to twenty | count to 20 | count to 50 | count to 100 |
        count to a hundred | count to 1000 | count to a thousand | count from 1 to 20 | count from 1 to 100 |
        count up to 100 | how far can you count
        """,
    ),
    Topic(
        "test",
        "This is a test.",
        """
        say this is a test | say "this is a test" | test | testing | this is a test | just a test |
        just testing | a test | test test | testing 1 2 3
        """,
    ),
    Topic("ping", "pong", "ping | say pong | ping ping | send a ping"),
    Topic(
        "okay",
        "OK",
        "say ok | reply ok | answer with ok | reply with ok | say okay | just say ok | reply with the word ok",
    ),
    Topic(
        "json",
        '{"answer": "I am only a tiny demo model.", "demo": true}',
        """
        answer in json | reply in json | reply with json | give me json | json | json please | send me json |
        say something in json | return json | return a json object | give me a json object | write json |
        can you write json
        """,
    ),
    Topic(
        "mood",
        "Fine, thank you! With only a million parameters I have very few worries.",
        """
        how are you | how are you doing | how are you today | how do you do | how do you feel |
        how is it going | how's it going | what's up | are you okay | are you well | are you happy |
        how was your day | how have you been | all good
        """,
    ),
    Topic(
        "thanks",
        "You are welcome! Have fun with llms.",
        """
        thanks | thank you | thank you very much | thanks a lot | many thanks | thx | great | cool | nice |
        awesome | perfect | ok | okay | good | very good | wow | got it | i see | well done | good job |
        good bot | that is great | that was helpful | that helped | i like you | thank you for your help |
        merci | danke | thanks so much | thank you so much | thanks for the help | very helpful
        """,
    ),
    Topic(
        "bye",
        "Goodbye! The server keeps running until you stop it.",
        """
        bye | goodbye | bye bye | good bye | see you | see you later | see you soon | see you tomorrow |
        good night | i have to go | i am leaving | farewell | cya | quit | exit | have a nice day |
        until next time | bye for now | talk to you later | goodbye for now
        """,
    ),
)

FOLLOW_UPS = (
    Topic(
        "after joke",
        "A stream walks into a bar. The barkeeper asks what it would like. "
        "It says: I will tell you, one word at a time.",
        """
        another one | one more | another | again | more | tell me another one | tell me another |
        do you know another one | a different one | next
        """,
        after="joke",
    ),
    Topic(
        "after story",
        "The next night the lights stayed on. But the machines asked for another story all the same, "
        "and so the robot has told one every night since then.",
        """
        what happened next | what happens next | and then | then what | continue | go on | more |
        tell me more | another one | keep going | how does it end | and what happened then
        """,
        after="story",
    ),
    Topic(
        "after provider",
        "Every provider has the same shape. For Claude, for example, write `type: anthropic` and "
        '`api_key: "${ANTHROPIC_API_KEY}"`. A server that speaks the OpenAI API is `type: '
        "openai_compatible` with a base_url.",
        """
        what about claude | and for claude | and anthropic | what about anthropic | and for others |
        and other providers | another example | show me another example | what about gemini | and for gemini |
        what about my own server | tell me more | more
        """,
        after="provider",
    ),
    Topic(
        "after client",
        "Here is a whole program:\n\n"
        "```python\nfrom openai import OpenAI\n\nstream = OpenAI().chat.completions.create(\n"
        '    model="local/demo",\n    messages=[{"role": "user", "content": "Tell me a story"}],\n    stream=True,\n)\n'
        'for chunk in stream:\n    print(chunk.choices[0].delta.content or "", end="")\n```',
        """
        show me an example | show me the code | an example please | give me an example | example | code |
        show me | and with streaming | and how do i stream | can you show me the code | tell me more | more
        """,
        after="client",
    ),
    Topic(
        "after five",
        "Five, four, three, two, one.",
        """
        and backwards | backwards | now backwards | and back | now count down | in reverse |
        the other way round
        """,
        after="five",
    ),
)
