#!/usr/bin/env bash
# Runs one Apache Kafka broker (KRaft, single node) from its jars: kafka/broker.sh <data folder> <port>
# The controller uses the next port. The broker listens on this computer only. Stop it with Ctrl-C.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
data=$1 port=$2
# an older Java refuses the jars with a clear message of its own
command -v java >/dev/null || { echo "Apache Kafka needs Java 17, but there is no java on the PATH." >&2; exit 1; }
if [ "$here/pom.xml" -nt "$here/jars/.complete" ]; then
  command -v mvn >/dev/null || { echo "Maven downloads Kafka's jars, but there is no mvn on the PATH." >&2; exit 1; }
  rm -rf "$here/jars"
  mvn --batch-mode --quiet --strict-checksums --file "$here/pom.xml" dependency:copy-dependencies -DoutputDirectory="$here/jars" -DincludeScope=runtime >&2
  touch "$here/jars/.complete"
fi
# Maven compares a jar with a checksum from the same server; these hashes are from Git. A jar too many is refused as well.
hashes() { if command -v sha256sum >/dev/null; then sha256sum "$@"; else shasum -a 256 "$@"; fi; }
if ! (export LC_ALL=C; cd "$here/jars" && hashes ./*.jar | sed 's|\./||' | diff "$here/jars.sha256" - >&2); then
  echo "The jars in $here/jars are not those of kafka/jars.sha256 (< expected, > found), and none was started." \
    "Delete that folder to download them again; if it happens again, the server or the network changed them." >&2
  exit 1
fi
mkdir -p "$data"
data=$(cd "$data" && pwd)
cat >"$data/server.properties" <<EOF
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$((port + 1))
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$((port + 1))
advertised.listeners=PLAINTEXT://127.0.0.1:$port
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs=$data/log
num.partitions=4
message.max.bytes=10485760
group.initial.rebalance.delay.ms=0
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
EOF
[ -e "$data/log/meta.properties" ] ||
  java -cp "$here/jars/*" kafka.tools.StorageTool format --cluster-id recomart00000000000000 --config "$data/server.properties" >/dev/null
exec java -Xmx512m -Xms128m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp "$here/jars/*" kafka.Kafka "$data/server.properties"
