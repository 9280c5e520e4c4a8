"""What certbot is asked, and what is told of its answers."""

import tempfile
import unittest
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from certificates import certbot
from certificates.settings import Settings

SETTINGS = Settings(
    hosts=("api.example.org", "www.example.org"),
    directory="https://ca.example/dir",
    email="",
    cloudflare="",
    authority="",
    edge=("edge", 8443),
    root=Path("/certificates"),
    handover=Path("/handover"),
    runtime=Path("/run/room"),
    copy=Path("/copy"),
)

# An older certbot calls a name a domain, a newer one an identifier.
REFUSED = """Saving debug log to /run/room/logs/letsencrypt.log
Requesting a certificate for api.example.org and www.example.org

Certbot failed to authenticate some domains (authenticator: webroot). The Certificate Authority reported these problems:
  Domain: api.example.org
  Type:   connection
  Detail: 192.0.2.1: Fetching http://api.example.org/.well-known/acme-challenge/x: Connection refused

  Identifier: www.example.org
  Type:   dns
  Detail: DNS problem: NXDOMAIN looking up A for www.example.org

Hint: The Certificate Authority failed to download the temporary challenge files created by Certbot.

Some challenges have failed.
Ask for help or search for solutions at https://community.letsencrypt.org. See the logfile x for more details.
"""

LIMITED = """Saving debug log to x
Requesting a certificate for api.example.org
An unexpected error occurred:
Error creating new order :: too many certificates (5) already issued for this exact set of identifiers
Ask for help or search for solutions at https://community.letsencrypt.org. See the logfile x for more details.
"""


class Arguments(unittest.TestCase):
    def test_ask_for_all_hosts_by_http(self) -> None:
        asked = certbot.arguments(SETTINGS)
        self.assertEqual([asked[at + 1] for at, part in enumerate(asked) if part == "--domain"], list(SETTINGS.hosts))
        self.assertIn("--webroot", asked)
        self.assertEqual(asked[asked.index("--webroot-path") + 1], "/handover/challenges")
        self.assertIn("--register-unsafely-without-email", asked)

    def test_ask_by_dns_with_a_token_that_is_in_a_file(self) -> None:
        asked = certbot.arguments(replace(SETTINGS, cloudflare="/run/secrets/cloudflare.ini", email="a@example.org"))
        self.assertNotIn("--webroot", asked)
        self.assertEqual(asked[asked.index("--dns-cloudflare-credentials") + 1], "/run/secrets/cloudflare.ini")
        self.assertEqual(asked[asked.index("--email") + 1], "a@example.org")

    def test_name_another_certificate_for_other_hosts_and_another_authority(self) -> None:
        turned = replace(SETTINGS, hosts=tuple(reversed(SETTINGS.hosts)))
        self.assertEqual(turned.name, SETTINGS.name)
        for other in (replace(SETTINGS, hosts=("a.example.org",)), replace(SETTINGS, directory="https://other.example/dir")):
            self.assertNotEqual(other.name, SETTINGS.name)


class Why(unittest.TestCase):
    def test_names_each_host_with_what_the_authority_objects_to(self) -> None:
        told = certbot.why(REFUSED)
        self.assertRegex(told, r"^api\.example\.org: .*Connection refused \(connection\); www\.example\.org: .*NXDOMAIN.* \(dns\)$")

    def test_tells_a_limit_of_the_authority(self) -> None:
        self.assertRegex(certbot.why(LIMITED), "^Error creating new order :: too many certificates")

    def test_tells_the_last_words_otherwise_and_never_more_than_a_person_reads(self) -> None:
        self.assertEqual(certbot.why("one\ntwo\n\nSee the logfile x\n"), "two")
        self.assertEqual(certbot.why(""), "certbot said nothing")
        self.assertEqual(len(certbot.why("x" * 5000)), certbot.LONGEST)


class Cloudflare(unittest.TestCase):
    def test_is_told_with_what_to_do_before_what_certbot_says(self) -> None:
        zone = "Unable to determine zone_id for api.example.org using zone names: ['example.org']. Please confirm that the domain name"
        self.assertRegex(certbot.why(zone), r"^Cloudflare shows the token no zone that has api\.example\.org: .* certbot says: Unable")
        self.assertRegex(certbot.why("Error determining zone_id: 9109 Invalid access token."), "^Cloudflare does not know the token: ")
        for said in (
            "Error communicating with the Cloudflare API: Authentication error",
            "Error communicating with the Cloudflare API: Error code: 403 - {'errors': [{'code': 10000, 'message': 'Authentication error'}]}",
        ):
            self.assertRegex(certbot.why(said), "^Cloudflare does not let the token write")

    def test_is_no_reason_to_change_a_good_token_where_it_fails_for_another_one(self) -> None:
        # As certbot's plugin says it with version 4 of Cloudflare's library: the status, and the answer.
        zone = "Unable to determine zone_id for api.example.org using zone names: ['example.org']. The error from Cloudflare was: "
        busy = "Error code: 429 - {'errors': [{'code': 971, 'message': 'Please wait'}]}"
        self.assertRegex(certbot.why(f"{zone}971 {busy}."), r"^Cloudflare did not say which zone has api\.example\.org, .* not the token")
        self.assertRegex(certbot.why(f"{zone}None Error code: 502."), "^Cloudflare did not say which zone")
        self.assertRegex(certbot.why(f"{zone}10000 Authentication error."), "^Cloudflare does not know the token: ")
        written = "Error communicating with the Cloudflare API: Error code: 400 - {'errors': [{'code': 81057, 'message': 'Record exists'}]}"
        self.assertRegex(certbot.why(written), "^Cloudflare did not take the record, .* not the token.* certbot says: .*81057")


class AskAgain(unittest.TestCase):
    def noted(self, text: str) -> datetime | None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "a.conf"
            path.write_text(text, "utf-8")
            return certbot.ask_again(path)

    def test_is_what_certbot_noted_of_the_authority(self) -> None:
        text = "version = 5.5.0\ncert = /a%b\n[renewalparams]\nserver = x\n[[webroot_map]]\na = /b\n[acme_renewal_info]\nari_retry_after = "
        at = datetime(2026, 11, 27, 6, 0, tzinfo=UTC)
        self.assertEqual(self.noted(f"{text}{at.astimezone().replace(tzinfo=None).isoformat()}\n"), at)

    def test_is_not_known_where_nothing_is_noted(self) -> None:
        self.assertIsNone(self.noted("[renewalparams]\nserver = x\n"))
        self.assertIsNone(self.noted("no ini at all"))
        self.assertIsNone(certbot.ask_again(Path("/nowhere")))

    def test_is_forgotten_with_nothing_else(self) -> None:
        before, after = "version = 5.5.0\n\n[renewalparams]\nserver = x\n[acme_renewal_info]\n", "[other]\nari = y\n"
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "a.conf"
            for note in ("ari_retry_after = 2026-11-27T06:00:00\n", "  ari_retry_after=x\n", ""):
                path.write_text(before + note + after, "utf-8")
                certbot.forget_note(path)
                self.assertEqual(path.read_text("utf-8"), before + after)
            self.assertEqual([one.name for one in Path(folder).iterdir()], [path.name])
            certbot.forget_note(Path(folder) / "none.conf")


if __name__ == "__main__":
    unittest.main()
