"""An SMTP server that fails on demand, on aiosmtpd. Mails are parsed by Python's `email`.

Arguments: `none`, `starttls` or `implicit`; then, if it asks for a login, a user and a password. The first line of
output is JSON with port and authority; then each line of input is answered by one line of JSON:
`mode NAME`, `mails`, `counts`, `drop` (closes every connection).
"""

import asyncio
import base64
import email
import email.policy
import json
import pathlib
import ssl
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import authority
from aiosmtpd.smtp import SMTP, AuthResult


class Desk:
    """What the server does, and what it got."""

    def __init__(self):
        self.mode = "ok"
        self.mails = []
        self.commands = {}
        self.connections = []

    def keep(self, envelope):
        parsed = email.message_from_bytes(envelope.content, policy=email.policy.default)
        parts = [
            {"type": part.get_content_type(), "text": part.get_content(), "defects": [repr(d) for d in part.defects]}
            for part in parsed.walk()
            if not part.is_multipart()
        ]
        headers = [[name, str(value), [repr(d) for d in value.defects]] for name, value in parsed.items()]
        self.mails.append(
            {
                "from": envelope.mail_from,
                "to": envelope.rcpt_tos,
                "headers": headers,
                "parts": parts,
                "type": parsed.get_content_type(),
                "defects": [repr(d) for d in parsed.defects],
                "raw": base64.b64encode(envelope.original_content).decode(),
            }
        )

    async def handle_MAIL(self, server, session, envelope, address, options):
        if self.mode in ("mail-451", "mail-550"):
            return f"{self.mode[5:]} not for this sender"
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):
        if self.mode in ("rcpt-451", "rcpt-550"):
            return f"{self.mode[5:]} not for this recipient"
        if self.mode == "hang-rcpt":
            await asyncio.Event().wait()
        if self.mode == "cut-rcpt":
            server.transport.abort()
        if self.mode == "mixed" and address.startswith("later"):
            return "451 try later"
        if address.startswith("nobody"):
            return "550 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        if self.mode in ("dot-451", "dot-550"):
            return f"{self.mode[4:]} not this mail"
        self.keep(envelope)
        if self.mode == "hang-dot":
            await asyncio.Event().wait()
        if self.mode == "cut-dot":
            server.transport.abort()
        return "250 taken"


class Server(SMTP):
    """Counts commands, and refuses DATA itself where that is asked for."""

    def connection_made(self, transport):
        self.event_handler.connections.append(transport)
        super().connection_made(transport)

    async def push(self, status):
        if self.event_handler.mode == "greet-554" and status.startswith("220 ") and not self.session.host_name:
            status = "554 no service"
        return await super().push(status)

    async def smtp_DATA(self, arg):
        desk = self.event_handler
        desk.commands["DATA"] = desk.commands.get("DATA", 0) + 1
        if desk.mode in ("data-451", "data-550"):
            await self.push(f"{desk.mode[5:]} no data now")
        elif desk.mode == "cut-data":
            self.transport.abort()
        else:
            await super().smtp_DATA(arg)


def answer(desk, line):
    command, _, rest = line.strip().partition(" ")
    if command == "mode":
        desk.mode = rest
        return {}
    if command == "mails":
        return desk.mails
    if command == "counts":
        return {"connections": len(desk.connections), **desk.commands}
    if command == "drop":
        for transport in desk.connections:
            transport.abort()
        return {}
    raise SystemExit(f"unknown: {line}")


async def main(security, login):
    desk, made = Desk(), authority.make()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as chain:
        chain.write(made["certificate"] + made["key"])
        chain.flush()
        context.load_cert_chain(chain.name)

    def judge(server, session, envelope, mechanism, data):
        given = [data.login.decode(), data.password.decode()]
        return AuthResult(success=given == login, handled=False)

    options = {"tls_context": context, "require_starttls": True} if security == "starttls" else {}
    if login:
        options |= {"authenticator": judge, "auth_required": True, "auth_require_tls": security == "starttls"}
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Server(desk, hostname="relay.test", **options),
        "127.0.0.1",
        0,
        ssl=context if security == "implicit" else None,
    )
    print(json.dumps({"port": server.sockets[0].getsockname()[1], "ca": made["ca"]}), flush=True)
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        print(json.dumps(answer(desk, line.decode())), flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2:]))
