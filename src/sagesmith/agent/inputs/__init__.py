"""Input channels of a task: from S3 into /opt/ml/input/data/<channel>.

`sources` says which objects a channel has on this host. How user code gets at them is its input mode:

* `files`: File mode. Everything is downloaded before user code starts;
* `pipes`: Pipe mode. A FIFO an epoch, `<channel>_<epoch>`, into which the objects stream;
* `fastfile`: FastFile mode. A file system that reads from S3 what is read from it.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/model-access-training-data.html
"""

from sagesmith.agent.inputs.files import download_channels, download_prefix, fetch, fetch_all
from sagesmith.agent.inputs.sources import Shard, Source, channels_here, shard_of

__all__ = ["Shard", "Source", "channels_here", "download_channels", "download_prefix", "fetch", "fetch_all", "shard_of"]
