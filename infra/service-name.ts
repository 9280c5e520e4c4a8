/** How a swarm's services are named. Without Pulumi's SDK: ops looks for them by name. */

export const serviceName = (stack: string, workload: string): string => `omniai-${stack}-${workload}`;

/** By this name the swarm's DNS has the address of each healthy task, and none of a task that was told to stop. */
export const tasksOf = (stack: string, workload: string): string => `tasks.${serviceName(stack, workload)}`;
