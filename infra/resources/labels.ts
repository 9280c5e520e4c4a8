/** The labels by which people and `ops` recognise what belongs to a stack on the engine. */
export const STACK_LABEL = "io.omniai.stack";
export const WORKLOAD_LABEL = "io.omniai.workload";
export const REPLICA_LABEL = "io.omniai.replica";
export const DATA_LABEL = "io.omniai.data";
export const CONFIG_LABEL = "io.omniai.config";
/** On a swarm's secrets and configs: the file that each one is. */
export const FILE_LABEL = "io.omniai.file";
/** On the nodes of a swarm where the edge runs. */
export const EDGE_NODE_LABEL = "omniai.edge";
/** On the volume in which ops keeps the changes of a stack; the program does not know it. */
export const CHANGES_LABEL = "io.omniai.changes";

/** On the containers of an exchange of a store's data: whose it is. The program does not know them. */
export const EXCHANGE_LABEL = "io.omniai.exchange";

/** On the containers that copy volumes to another engine: which stack's. The program does not know them. */
export const COPY_LABEL = "io.omniai.copy";

/** Labels in the shape that @pulumi/docker takes, in a stable order. */
export const toLabels = (labels: Readonly<Record<string, string>>): { label: string; value: string }[] =>
  Object.keys(labels)
    .sort()
    .map((label) => ({ label, value: labels[label] ?? "" }));
