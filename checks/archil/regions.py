"""The address of Archil's control plane in each region."""

from __future__ import annotations

from checks.net.endpoint import Endpoint

REGIONS = {
    "aws-us-east-1": Endpoint("https", "control.green.us-east-1.aws.prod.archil.com", 443),
    "aws-us-west-2": Endpoint("https", "control.green.us-west-2.aws.prod.archil.com", 443),
    "aws-eu-west-1": Endpoint("https", "control.green.eu-west-1.aws.prod.archil.com", 443),
    "gcp-us-central1": Endpoint("https", "control.blue.us-central1.gcp.prod.archil.com", 443),
}
"""The table of Archil's SDK. For any other region the SDK raises an error before it sends a byte."""
