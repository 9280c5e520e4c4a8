"""What is to be done about an answer of Cloudflare's that certbot has passed on."""

import re

# What certbot's plugin says (certbot_dns_cloudflare), and what an operator does about it. The codes are Cloudflare's:
# https://developers.cloudflare.com/fundamentals/api/troubleshooting/
REMEDIES = (
    (
        r"Unable to determine zone_id for (?P<name>\S+)",
        "Cloudflare shows the token no zone that has {name}: give omniai:acmeCloudflareToken the zone's Zone, DNS, Edit, or correct the name in omniai:certificateHosts.",
    ),
    (
        r"Error determining zone_id",
        "Cloudflare does not know the token: it was mistyped, has ended or was taken back. Set omniai:acmeCloudflareToken anew.",
    ),
    (
        r"Error communicating with the Cloudflare API",
        "Cloudflare does not let the token write the record: omniai:acmeCloudflareToken needs Zone, DNS, Edit for the zone.",
    ),
)


def remedy(problem: str) -> str:
    """Pure: a sentence for an operator, to stand before what certbot said; empty where Cloudflare has nothing to do with it."""
    for pattern, sentence in REMEDIES:
        found = re.search(pattern, problem)
        if found:
            return sentence.format(**found.groupdict())
    return ""
