"""How the room starts."""

import os
import signal
import types
import unittest
from unittest import mock

from certificates import __main__ as program
from test_certbot import SETTINGS


class Start(unittest.TestCase):
    def test_keeps_an_operators_request_until_the_loop_can_take_it(self) -> None:
        pending: list[set[int]] = []

        def serve(_: object) -> None:
            os.kill(os.getpid(), signal.SIGUSR1)
            pending.append(signal.sigpending())

        heavy = types.ModuleType("certificates.serve")
        heavy.main = serve  # type: ignore[attr-defined]
        # The rest of the tests goes on without that request.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        self.addCleanup(signal.pthread_sigmask, signal.SIG_SETMASK, before)
        self.addCleanup(signal.signal, signal.SIGUSR1, signal.SIG_IGN)
        with (
            mock.patch.object(program, "from_environment", lambda: SETTINGS),
            mock.patch.dict("sys.modules", {"certificates.serve": heavy}),
        ):
            program.main(["serve"])
        self.assertEqual(pending, [{signal.SIGUSR1}])


if __name__ == "__main__":
    unittest.main()
