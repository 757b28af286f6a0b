'use client';
import { useEffect } from 'react';
import { attempt } from './talk.js';

export default function Page() {
  useEffect(() => {
    globalThis.talk = async (options) => ({
      ...(await attempt(`${location.origin}/model.gguf`, options)),
      isolated: crossOriginIsolated,
    });
  }, []);
  return <p>recollect</p>;
}
