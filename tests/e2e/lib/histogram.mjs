// Where the cuts of one client really fell.

import { PLACES } from './scanner.mjs';

export class Histogram {
  places = Object.fromEntries(PLACES.map((place) => [place, 0]));
  ends = { fin: 0, reset: 0 };
  early = 0;
  away = 0;

  /** `away`: events published between this cut and the client's return. */
  add({ place, end, events }, away) {
    this.places[place] += 1;
    this.ends[end] += 1;
    if (events === 0) this.early += 1;
    this.away += away;
  }

  get cuts() {
    return this.ends.fin + this.ends.reset;
  }

  get emptyPlaces() {
    return PLACES.filter((place) => this.places[place] === 0);
  }

  toString() {
    const places = PLACES.map((place) => `${place} ${this.places[place]}`).join(', ');
    const { fin, reset } = this.ends;
    return `${this.cuts} cuts: ${places}; fin ${fin}, reset ${reset}; before the first event ${this.early}; published while away ${this.away}`;
  }
}
