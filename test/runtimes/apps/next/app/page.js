'use client';
import { useEffect } from 'react';
import { talk } from './talk.js';

export default function Page() {
  useEffect(() => {
    globalThis.talk = async (options) => {
      try {
        const { close, ...found } = await talk(`${location.origin}/model.gguf`, options);
        close();
        return { ...found, isolated: crossOriginIsolated };
      } catch (error) {
        return { error: error.name, message: error.message };
      }
    };
  }, []);
  return <p>recollect</p>;
}
