// A model's sensitivity profile, computed once and kept beside the model's file.
import { runtime } from '#runtime';
import { flag, knownNames, namesOf } from '../arguments.ts';
import { type Profile, profileModel, type ProfileOptions } from '../engine/profile.ts';
import { identityOf } from '../model/adapter/spec.ts';
import type { Model } from '../engine/model.ts';

export interface StoredProfile extends Profile {
  /**
   * Name and bytes of the model it was computed for, and a number of its adapters, 0 for none:
   * another model under the same path is not believed.
   */
  readonly model: { readonly name: string; readonly bytes: number; readonly adapters?: number };
}

/** How profileOf() profiles; `fresh`: even where a profile is stored. */
export interface StoredProfileOptions extends ProfileOptions {
  readonly fresh?: boolean;
}

const optionNames = namesOf<StoredProfileOptions>({ signal: true, onProgress: true, fresh: true });

const pathOf = (model: Model) => `${model.source}.profile.json`;
const identity = ({ config, bytes }: Model) => ({
  name: config.name,
  bytes,
  adapters: identityOf(config.adapters),
});
/** A profile is a few numbers a layer. */
const MAX_PROFILE_BYTES = 1 << 20;

/**
 * The stored profile of a model that came from a path; undefined where there is none, or one that
 * does not fit.
 */
export async function readProfile(model: Model): Promise<StoredProfile | undefined> {
  try {
    const file = await runtime.openFile(pathOf(model));
    try {
      if (file.sizeBytes > MAX_PROFILE_BYTES) return undefined;
      const profile = JSON.parse(
        new TextDecoder().decode(await file.read(0, file.sizeBytes)),
      ) as StoredProfile;
      const { name, bytes, adapters } = identity(model);
      const fits =
        profile.model?.name === name &&
        profile.model.bytes === bytes &&
        (profile.model.adapters ?? 0) === adapters &&
        profile.similarity?.length === model.config.layers &&
        profile.similarity.every(Number.isFinite);
      return fits ? profile : undefined;
    } finally {
      await file.close();
    }
  } catch {
    return undefined; // no file, no file system, no JSON: it is computed again
  }
}

/**
 * The stored profile, or one computed on `text` and stored where the model's folder can be written
 * (`stored` says whether it is). Throws as profileModel does.
 */
export async function profileOf(
  model: Model,
  text: string,
  options?: StoredProfileOptions,
): Promise<{ profile: StoredProfile; stored: string | undefined }> {
  const { fresh = false, ...rest } = knownNames('profileOf', options, optionNames);
  const before = flag('fresh', fresh) ? undefined : await readProfile(model);
  if (before) return { profile: before, stored: pathOf(model) };
  const profile: StoredProfile = {
    ...(await profileModel(model, text, rest)),
    model: identity(model),
  };
  try {
    await runtime.writeFile(
      pathOf(model),
      new TextEncoder().encode(`${JSON.stringify(profile)}\n`),
    );
    return { profile, stored: pathOf(model) };
  } catch {
    return { profile, stored: undefined };
  }
}
