"""What is to be done about an answer of Cloudflare's that certbot has passed on."""

import re

# Of a token that may not do what was asked: 10000 or 9109 in an answer of the API, 1009 in the hint that the plugin makes of it. Version 2 of
# Cloudflare's library passes on the words alone.
MAY_NOT = r"(?:\b(?:10000|9109)\b|Authentication error|Unauthorized|Does your API token have)"

# What certbot's plugin says (certbot_dns_cloudflare), and what an operator does about it; the first that fits counts. It uses the same
# words for an answer about the token and for any other, so the code decides. The codes are Cloudflare's:
# https://developers.cloudflare.com/fundamentals/api/troubleshooting/
REMEDIES = (
    (
        r"Error determining zone_id: (?:6003|9103|9109)\b|Unable to determine zone_id .*The error from Cloudflare was: .*" + MAY_NOT,
        "Cloudflare does not know the token: it was mistyped, has ended or was taken back. Set omniai:acmeCloudflareToken anew.",
    ),
    (
        r"Unable to determine zone_id for (?P<name>\S+) .*The error from Cloudflare was",
        "Cloudflare did not say which zone has {name}, for a reason that is not the token. It is asked again.",
    ),
    (
        r"Unable to determine zone_id for (?P<name>\S+)",
        "Cloudflare shows the token no zone that has {name}: give omniai:acmeCloudflareToken the zone's Zone, DNS, Edit, or correct the name in omniai:certificateHosts.",
    ),
    (
        r"Error communicating with the Cloudflare API.*" + MAY_NOT,
        "Cloudflare does not let the token write the record: omniai:acmeCloudflareToken needs Zone, DNS, Edit for the zone.",
    ),
    (
        r"Error communicating with the Cloudflare API",
        "Cloudflare did not take the record, for a reason that is not the token. It is asked again.",
    ),
)


def remedy(problem: str) -> str:
    """Pure: a sentence for an operator, to stand before what certbot said; empty where Cloudflare has nothing to do with it."""
    for pattern, sentence in REMEDIES:
        found = re.search(pattern, problem)
        if found:
            return sentence.format(**found.groupdict())
    return ""
