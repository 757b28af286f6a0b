// A page: the test calls `talk` there.
import { attempt } from './talk.js';

globalThis.talk = async (options) => ({
  ...(await attempt(`${location.origin}/model.gguf`, options)),
  isolated: crossOriginIsolated,
});
