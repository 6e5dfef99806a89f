"""`ipecs-mw webhook` as people use it."""

import json
from collections.abc import Callable
from typing import Any

from hook_receiver import serve_hooks
from standardwebhooks import Webhook

from ipecs_mw.store.server.connection import Store

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
