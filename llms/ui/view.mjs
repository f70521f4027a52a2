// The one place that knows the view library: components import from here.

import { h, htm } from "preact";

export {
  batch,
  cloneElement,
  Component,
  computed,
  createContext,
  createPortal,
  createRef,
  effect,
  Fragment,
  h,
  isValidElement,
  render,
  Signal,
  signal,
  toChildArray,
  untracked,
  useCallback,
  useComputed,
  useContext,
  useEffect,
  useErrorBoundary,
  useId,
  useLayoutEffect,
  useMemo,
  useReducer,
  useRef,
  useSignal,
  useSignalEffect,
  useState,
} from "preact";

export const html = htm.bind(h);
