// A page: the test calls `talk` there.
import { talk } from './talk.js';

globalThis.talk = async (options) => {
  try {
    const { close, ...found } = await talk(`${location.origin}/model.gguf`, options);
    close();
    return { ...found, isolated: crossOriginIsolated };
  } catch (error) {
    return { error: error.name, message: error.message };
  }
};
