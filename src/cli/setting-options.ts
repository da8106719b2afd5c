import { Option } from '@commander-js/extra-typings';
import { docOf, kebabName, type SettingName } from '../config/settings-schema.ts';

/** The option of a setting, as the schema documents it. It has no default of its own: what is not given here may stand in the environment. */
export function settingOption(name: SettingName): Option {
  const { value, help, fallback, list } = docOf(name);
  const option = new Option(`--${kebabName(name)} <${value}>`, `${help} (default: ${fallback})`);
  return list === true ? option.argParser((text: string, before: readonly string[] | undefined) => [...(before ?? []), text]) : option;
}
