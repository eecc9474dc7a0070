// The API's schemas by short names. `api.d.ts` is generated from the program's own OpenAPI document.
import type { components } from './api';

type Schemas = components['schemas'];

export type Image = Schemas['Image'];
export type ImageInFull = Schemas['ImageInFull'];
export type Job = Schemas['Job'];
export type JobInFull = Schemas['JobInFull'];
export type Progress = Schemas['Progress'];
export type StoredFile = Schemas['StoredFile'];
export type Storage = Schemas['Storage'];
export type UnfinishedUpload = Schemas['UnfinishedUpload'];
export type Transfers = Schemas['Transfers'];
export type RunningTransfer = Schemas['RunningTransfer'];
export type EndedTransfer = Schemas['EndedTransfer'];
export type TreeListing = Schemas["TreeListing"];
export type TreeEntry = Schemas['TreeEntry'];
export type Problem = Schemas['Problem'];
export type Index = Schemas['Index'];

/** The two stores. */
export type Store = 'iso' | 'microkernel';
