/** What a worker says first: that it has started. */
export const HELLO = 'recollect: hello';
