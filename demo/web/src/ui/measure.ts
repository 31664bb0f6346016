import { type RefObject, useLayoutEffect, useRef, useState, useSyncExternalStore } from 'react';

/** How wide an element is, in pixels. */
export function useWidth<T extends HTMLElement>(otherwise: number): [RefObject<T | null>, number] {
  const ref = useRef<T>(null);
  const [width, setWidth] = useState(otherwise);
  useLayoutEffect(() => {
    const element = ref.current!;
    setWidth(element.clientWidth);
    const observer = new ResizeObserver(() => setWidth(element.clientWidth));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  return [ref, width];
}

const calm = matchMedia('(prefers-reduced-motion: reduce)');

export function usePrefersCalm(): boolean {
  return useSyncExternalStore(
    (listener) => {
      calm.addEventListener('change', listener);
      return () => calm.removeEventListener('change', listener);
    },
    () => calm.matches,
  );
}
