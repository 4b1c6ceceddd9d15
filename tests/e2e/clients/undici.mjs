// undici's EventSource: node clients/undici.mjs URL TYPE… prints each event as a line of JSON.

import { EventSource } from 'undici';

import { printEvents } from './print-events.mjs';

printEvents(EventSource);
