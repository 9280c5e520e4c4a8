/**
 * Rule data-volume. Without a fixed name a volume was replaced, and its data lost, when the naming of the provider
 * changed. (The engine does not tell policies about retainOnDelete: the test of a whole stack reads it from the
 * state.)
 */
import { DATA_LABEL } from "../../infra/resources/labels.ts";
import { hasFixedName, labelOf, resourceRule, VOLUME } from "../rule.ts";

interface VolumeProps {
  readonly name?: string;
  readonly labels?: readonly { label: string; value: string }[];
}

export const dataVolume = resourceRule<VolumeProps>([VOLUME], {
  name: "data-volume",
  title: "A volume that holds data is protected and has a fixed name.",
  source: "Pulumi: protect; pulumi-docker auto-naming",
  remedy: "Make it with createDataVolume (infra/resources/volume.ts).",
  *check({ name, props, options }) {
    const fixed = hasFixedName(name, props.name);
    if (options.protect && fixed) return;
    if (!name.endsWith("-data") && labelOf(props.labels, DATA_LABEL) !== "true") return;
    if (!options.protect) yield "it is not protected.";
    if (!fixed) yield "it has no fixed name.";
  },
});
