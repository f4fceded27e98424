"""The official Elasticsearch client indexes documents in bulk, after its check that this is Elasticsearch."""

import sys

from elasticsearch import Elasticsearch
from elasticsearch.helpers import bulk

client = Elasticsearch(sys.argv[1], basic_auth=("beats", sys.argv[2]))
client.info()
document = {
    "message": "permission denied for table invoices",
    "log": {"level": "error"},
    "service": {"name": "billing"},
}
done, failed = bulk(client, [{"_index": "logs", "_source": document}])
assert (done, failed) == (1, [])
