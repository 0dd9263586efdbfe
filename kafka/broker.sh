#!/usr/bin/env bash
# One Apache Kafka broker (KRaft, single node) from its jars: kafka/broker.sh <folder of its data> <port>
# It also takes the port after that one, for its controller. Listens on this computer only. Ctrl-C ends it.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
data=$1 port=$2
# an older Java refuses the jars itself, and says which it is
command -v java >/dev/null || { echo "Apache Kafka needs Java 17: there is no java on the PATH." >&2; exit 1; }
if [ "$here/pom.xml" -nt "$here/jars/.complete" ]; then
  command -v mvn >/dev/null || { echo "Kafka's jars are fetched by Maven: there is no mvn on the PATH." >&2; exit 1; }
  rm -rf "$here/jars"
  mvn --batch-mode --quiet --file "$here/pom.xml" dependency:copy-dependencies -DoutputDirectory="$here/jars" -DincludeScope=runtime >&2
  touch "$here/jars/.complete"
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
