/** Who sits before the page, and what they may do. */

import { get } from "../wire/http";
import { list, object, text } from "../wire/json";
import { t } from "../i18n/locale.svelte";

export type Role = "viewer" | "submitter" | "operator";

class Who {
  known = $state(false);
  name = $state("");
  roles = $state.raw<string[]>([]);
  identityOff = $state(false);
  version = $state("");
  simulated = $state.raw<{ github: boolean; model: boolean }>({ github: false, model: false });

  async load(): Promise<void> {
    const me = await get("me");
    this.name = text(me["identity"]);
    this.roles = list(me["roles"]).map(text);
    this.identityOff = me["identity_off"] === true;
    this.version = text(me["version"]);
    const simulated = object(me["simulated"]);
    this.simulated = { github: simulated["github"] === true, model: simulated["model"] === true };
    this.known = true;
  }

  /**
   * Why an action is not open to them; empty where it is.
   *
   * @param owner who submitted the batch that it is about: a submitter looks after their own only.
   */
  refusal(needs: Role, owner?: string): string {
    if (!this.known) return t("who.unknown");
    if (this.identityOff || this.roles.includes("operator")) return "";
    if (!this.roles.includes(needs)) return t("who.lacks", { role: needs });
    return owner === undefined || owner === this.name ? "" : t("who.notYours", { owner });
  }
}

export const who = new Who();
