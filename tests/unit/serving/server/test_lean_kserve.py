"""KServe's server is imported without its client for clusters and without pandas, and both are there when asked for."""

import subprocess
import sys

SCRIPT = """
import sys
from serving.server.lean_kserve import prepare
prepare()
import kserve.model_server, kserve.protocol.infer_type, kserve.utils.utils
assert not {"pandas", "kubernetes"} & sys.modules.keys(), "imported for nothing"
import kserve
tensor = kserve.protocol.infer_type.InferInput("text", [1], "INT32", [7])
frame = kserve.protocol.infer_type.InferRequest("model", [tensor]).as_dataframe()
assert list(frame["text"]) == [7] and isinstance(frame, kserve.utils.utils.pd.DataFrame)
assert kserve.KServeClient.__module__ == "kserve.api.kserve_client" and kserve.ModelServer
"""


def test_only_what_a_server_needs() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
