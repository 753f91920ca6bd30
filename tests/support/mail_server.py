# A mail server that wants TLS and a login, and keeps each message as a file: python3 mail_server.py FOLDER CERT KEY
# ADDRESS PORT, where PORT is that of STARTTLS and 0 means any.
import asyncio, ssl, sys
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

folder, cert, key, address, port = sys.argv[1:6]
context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
context.load_cert_chain(cert, key)


class Keep:
    count = 0

    async def handle_DATA(self, server, session, envelope):
        Keep.count += 1
        with open(f"{folder}/{Keep.count}.eml", "wb") as file:
            file.write(f"TO {','.join(envelope.rcpt_tos)}\r\n".encode() + envelope.content)
        return "250 kept"


def login(server, session, envelope, mechanism, data):
    right = isinstance(data, LoginPassword) and data.login == b"user" and data.password == b"canary/+="
    return AuthResult(success=right)


async def main():
    loop = asyncio.get_running_loop()
    common = dict(authenticator=login, auth_required=True)
    starttls = lambda: SMTP(Keep(), tls_context=context, require_starttls=True, **common)
    implicit = lambda: SMTP(Keep(), auth_require_tls=False, **common)
    plain = lambda: SMTP(Keep())
    ports = []
    for factory, tls, wanted in ((starttls, None, int(port)), (implicit, context, 0), (plain, None, 0)):
        server = await loop.create_server(factory, address, wanted, ssl=tls)
        ports.append(str(server.sockets[0].getsockname()[1]))
    print(" ".join(ports), flush=True)
    # Ends with whoever started it.
    await loop.run_in_executor(None, sys.stdin.read)


asyncio.run(main())
